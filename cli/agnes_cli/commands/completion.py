from __future__ import annotations

import click

WHERE = {
    "bash": 'eval "$(agnes completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(agnes completion zsh)" in ~/.zshrc, behind compinit',
    "fish": "agnes completion fish | source           in config.fish",
}


@click.command(
    epilog="""\b
Put it where your shell finds it:
  bash   eval "$(agnes completion bash)"   in ~/.bashrc
  zsh    eval "$(agnes completion zsh)"    in ~/.zshrc, behind compinit
  fish   agnes completion fish | source           in config.fish
"""
)
@click.argument("shell", type=click.Choice(list(WHERE)))
def command(shell: str) -> None:
    """Print the script by which a shell completes commands and options of `agnes`."""
    from click.shell_completion import get_completion_class

    from agnes_cli.main import agnes

    found = get_completion_class(shell)
    assert found is not None  # one of the three that click knows
    click.echo(found(agnes, {}, "agnes", "_AGNES_COMPLETE").source())
    click.echo(f"# {WHERE[shell]}", err=True)
