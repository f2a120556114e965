"""Names and texts as somebody hostile writes them, on every page: shown as they are, never run, never turned round."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

from tests.attack.installation import AttackedInstallation, new_word, routes, session_of, verdict

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)><x-evil a='b'>\"'><svg onload=alert(1)>"
    "</textarea></title></style><x-evil> javascript:alert(1) {{7*'7'}}"
)
TURNED = "evil\u202egnp.exe\u2066\u200b"
HIDDEN = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200b", "\u200e", "\u200f", "\x00"}
SCHEMES = {"", "http", "https", "mailto"}


class Page(HTMLParser):
    """What of a page is not as this product writes pages."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.shows_evil = False
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside = tag
        if tag in ("x-evil", "iframe", "object", "embed", "base"):
            self.wrong.append(f"<{tag}>")
        if tag == "script" and not (given.get("src") or "").startswith("/static/"):
            self.wrong.append(f"<script {given}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc", "x-evil"):
                self.wrong.append(f"{tag} {name}={value!r}")
            if name in ("href", "src", "action", "formaction") and urlsplit(
                (value or "").strip()
            ).scheme.lower() not in SCHEMES | ({"data"} if tag == "img" else set()):
                self.wrong.append(f"{tag} {name}={value!r}")

    def handle_data(self, data: str) -> None:
        self.shows_evil |= "onerror=alert(1)" in data
        if self._inside == "script" and data.strip():
            self.wrong.append(f"a script in the page: {data[:100]!r}")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def test_hostile_texts_on_every_page(attacked: AttackedInstallation, record_property):
    admin, demo = attacked.target.admin(), attacked.demo
    group = admin.post("/api/admin/groups", json={"name": f"{EVIL[:90]}{new_word()}"}).json()
    for name, word in (("evil", EVIL[:100]), ("turned", TURNED)):
        email = f"{name}.{new_word()}@northwind.example"
        made = admin.post("/api/users", json={"email": email, "name": word}, expect=(201, 400, 422))
        if made.status_code == 201:
            admin.post(f"/api/admin/groups/{group['id']}/members", json={"email": email}, expect=(201, 400, 422))
    for word in (EVIL[:100], TURNED):
        attacked.mira.post("/auth/tokens", json={"name": word}, expect=(201, 400, 422))
    manifest = demo.repository.manifest()
    entry = next(plugin for plugin in manifest["plugins"] if plugin["name"] == "finops")
    entry |= {"description": EVIL + TURNED, "displayName": EVIL[:60], "keywords": [EVIL, TURNED], "author": {"name": EVIL, "url": "javascript:alert(1)"},
              "homepage": "javascript:alert(1)", "category": EVIL[:40]}  # fmt: skip
    demo.repository.change(
        "evil",
        {
            "plugins/finops/README.md": f'# {EVIL}\n\n[x](javascript:alert(1)) ![y](x"onerror=alert(1)) {TURNED}\n\n{EVIL}\n'
        },
    )
    demo.repository.write_manifest(manifest, message=EVIL)
    admin.call(
        "PATCH",
        f"/api/marketplaces/{demo.slug}",
        json={"curator_name": EVIL[:60], "description": EVIL},
        expect=(200, 400, 422),
    )
    demo.sync()
    attacked.things["mira"].values["session_id"] = session_of(attacked.mira, EVIL + TURNED)
    attacked.target.process_usage()

    wrong, shown, pages = [], 0, 0
    for route in routes():
        if route.contract.kind != "page" or route.method != "GET" or route.path == "/auth/logout":
            continue
        whose = [attacked.mira, admin] if verdict(route.contract.needs, "analyst") is None else [admin]
        queries = [{}, *({name: EVIL} for name in (route.contract.query.model_fields if route.contract.query else ()))]
        for who in whose:
            for query in queries:
                answer = attacked.send(
                    "GET", attacked.path(route, "mira"), params=query, headers={"Authorization": f"Bearer {who.token}"}
                )
                if not answer.headers.get("content-type", "").startswith("text/html"):
                    continue
                page = Page()
                page.feed(answer.text)
                pages += 1
                shown += page.shows_evil
                hidden = sorted(f"U+{ord(c):04X}" for c in HIDDEN & set(answer.text))
                policy = answer.headers.get("content-security-policy", "")
                if "script-src 'self';" not in policy:
                    wrong.append(f"{route.path}: no policy ({policy})")
                wrong += [f"{route.path} {query or ''}: {each}" for each in [*page.wrong, *hidden]]
    record_property("pages", pages)
    assert wrong == []
    assert shown > 10, "hostile texts are shown, so that there is something to prove"
