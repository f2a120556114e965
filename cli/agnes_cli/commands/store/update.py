from __future__ import annotations

from pathlib import Path

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("entity")
@click.argument("source", type=FILE, required=False)
@click.option("--name")
@click.option("--description")
@click.option("--category")
@click.option("--video", help="The https address of a demo video; an empty one takes it away.")
@click.option("--photo", type=FILE)
@click.option("--clear-photo", is_flag=True)
@click.option("--doc", "docs", type=FILE, multiple=True, help="Replaces the documents; may be repeated.")
@click.option("--changes", help="What is new, for those who have it.")
@click.option("--audience", type=click.Choice(["everyone", "groups", "private"]))
@click.option("--group", "groups", multiple=True, help="Id of a group, for --audience groups; may be repeated.")
@click.option("--restore", type=click.IntRange(1), help="Offer this old version once more.")
@JSON
def command(
    entity: str,
    source: Path | None,
    *,
    video: str | None,
    photo: Path | None,
    clear_photo: bool,
    docs: tuple[Path, ...],
    audience: str | None,
    groups: tuple[str, ...],
    restore: int | None,
    as_json: bool,
    **about: str | None,
) -> None:
    """Offer a new version of ENTITY (its name or id): from SOURCE, with other words, or both. The live one stays until it is approved."""
    from agnes_cli import sharing
    from agnes_cli.server import connect

    fields: dict[str, str | list[str]] = {name: value for name, value in about.items() if value is not None}
    fields |= {"video_url": video} if video is not None else {}
    fields |= {"clear_photo": "true"} if clear_photo else {}
    fields |= {"audience": audience, **({"audience_groups": list(groups)} if groups else {})} if audience else {}
    if restore is None and source is None and photo is None and not docs and not fields:
        raise BadInput("nothing was given to change", hint="See `agnes store update --help`.")
    with connect() as server:
        known = sharing.find_own(server, entity)["entity"]["id"]
        if restore is not None:
            found = server.post(sharing.entity_path(known, "versions", str(restore), "restore"))
        else:
            found = sharing.send(server, "PUT", sharing.entity_path(known), source, fields, photo=photo, docs=docs)
        one = sharing.find_own(server, known)
    if as_json:
        shown.as_json(found)
    elif one["waiting"]:
        click.echo(f"Version {one['waiting']['n']} of {found['invocation_name']}: {one['waiting']['label'].lower()}.")
    else:
        click.echo(f"{found['invocation_name']} is changed.")
