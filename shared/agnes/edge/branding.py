"""How an installation calls itself and looks: name, logo, accent colours (docs/configuration.md)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from agnes import wiring
from agnes.kernel.colours import READABLE, contrast
from agnes.kernel.errors import AgnesError
from agnes.settings import Settings

THEME = "css/theme.css"
"""Below `/static/`; it is no file, but made from the settings."""


@dataclass(frozen=True, slots=True)
class Branding:
    """What every page and mail shows of it."""

    brand: str
    organisation: str
    subtitle: str
    logo_url: str
    """A `data:` URL; empty where the mark is shown. As an image nothing in it runs or loads anything."""
    contact: str
    """An e-mail address, or empty."""
    home: str
    theme_url: str
    """Of a stylesheet with the accent colours; empty where they are the product's own."""


def branding() -> Branding:
    return _of(look())


def look() -> Settings:
    """The settings that name and colours are from. While what admins set cannot be read, those of the environment and the file:
    the page that says so has to look like something."""
    try:
        return wiring.config()
    except AgnesError:
        return wiring.settings()


@lru_cache(maxsize=4)
def _of(settings: Settings) -> Branding:
    logo, theme = settings.agnes_instance_logo_svg, theme_css(settings)
    return Branding(
        settings.agnes_instance_brand,
        settings.agnes_instance_name,
        settings.agnes_instance_subtitle,
        f"data:image/svg+xml;base64,{base64.b64encode(logo.encode()).decode()}" if logo else "",
        settings.agnes_instance_admin_email,
        settings.agnes_home_route,
        f"{settings.base_path}/static/{THEME}?v={sha256(theme.encode()).hexdigest()[:12]}" if theme else "",
    )


def theme_css(settings: Settings) -> str:
    """Rules over those of the stylesheet; empty where no colour is set."""
    light, dark = settings.agnes_theme_accent, settings.agnes_theme_accent_dark
    rules = f":root {{ {_accents(light, 'black', 'white')} }}\n" if light else ""
    if dark:
        rules += f"@media (prefers-color-scheme: dark) {{ :root {{ {_accents(dark, 'white', '#161c2a')} }} }}\n"
    return rules


def _accents(colour: str, stronger: str, softer: str) -> str:
    on = "#ffffff" if contrast(colour, "#ffffff") >= READABLE else "#0b1430"
    return (
        f"--accent: {colour}; --accent-strong: color-mix(in srgb, {colour} 80%, {stronger}); "
        f"--accent-soft: color-mix(in srgb, {colour} 13%, {softer}); --on-accent: {on};"
    )
