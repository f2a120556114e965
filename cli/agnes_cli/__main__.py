from agnes_cli.main import main

main()
