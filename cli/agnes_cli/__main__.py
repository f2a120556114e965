from agnes_cli.start import main

main()
