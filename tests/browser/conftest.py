"""A real browser over the real gateway: the demonstration with 60 more plugins, one admin, Chromium without a screen.

Chromium is the system's (Debian: apt-get install chromium). Screenshots go to `artifacts/browser/`.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from agnes import settings as settings_module
from agnes import wiring
from agnes.kernel.ports import ANYTHING
from agnes.kernel.principal import Principal
from agnes.marketplace import service as marketplaces
from agnes.marketplace import sync
from agnes.marketplace.model import MarketplaceChange, NewMarketplace
from agnes.outside.git import DulwichGit
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.transcripts import packed
from agnes.wiring import Wiring
from agnes_local import demo
from tests.benchmarks import browse as many
from tests.builders import asking, flea
from tests.builders.answering_api import AnsweringApi, wrote
from tests.builders.embedded import embedded_server
from tests.builders.patience import PATIENCE_MILLISECONDS
from tests.builders.picture import png
from tests.builders.sample_marketplace import METADATA, SampleMarketplace
from tests.builders.transcripts import Transcript

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts" / "browser"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PLUGINS = 60
SESSION, REMOVED = "5d2c8a10-0001-4f00-9a00-00000000aaaa", "77777777-0002-4f00-9a00-00000000bbbb"
"""Sessions of the admin."""
VIDEOS = {
    "YouTube": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "Vimeo": "https://vimeo.com/76979871",
    "file": "https://films.example/demo.mp4",
}
expect.set_options(timeout=PATIENCE_MILLISECONDS)
ELSEWHERE = re.compile(r"https://(www\.youtube-nocookie\.com|player\.vimeo\.com|films\.example)/")
"""Where they are played from: no test asks the network, this house answers for them."""
ANSWERS = {
    "Who is there?": wrote("SELECT email, name, active FROM usage_users ORDER BY email LIMIT 8", "Lists accounts."),
    "How many?": wrote("SELECT count(*) AS people FROM usage_users"),
    "Empty them": wrote("WITH d AS (DELETE FROM usage_events RETURNING *) SELECT * FROM d", "Deletes all events."),
    "Guess a column": wrote("SELECT mood FROM usage_users", "Looks for moods."),
}
"""What the model of this house says (tests/builders/answering_api.py)."""


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("browser")
    environ = {
        "AGNES_DATA_DIR": str(folder / "data"),
        "SEED_ADMIN_EMAIL": many.ADMIN,
        "SEED_ADMIN_PASSWORD": many.PASSWORD,
        "SCHEDULER_USAGE_PROCESSOR_INTERVAL": "86400",  # the figures below stay as they were filled in
    }
    with wiring.using(Wiring(settings_module.load(environ))) as house:
        _with_media(SampleMarketplace(folder / "data" / "demo" / "plugins.git"))
        demo.fill(folder / "data")
        many.fill(plugins=PLUGINS, people=30)
        _to_review(house, folder)
        _shared_by_colleagues(house)
        _sessions_of_the_admin(house)
        house.state.close()
    with AnsweringApi(ANSWERS) as api, embedded_server(folder, environ | asking.environ(api.url)) as server:
        yield server.base_url


FLEA = (
    ("notes", "skill", 0, None),  # never used, and whatever is added here is taken off again
    ("auditor", "agent", 0, None),
    ("kit", "plugin", 0, None),
    ("minutes", "skill", 1, flea.Used("id-minutes", "minutes-by-bob", 40, 4, 30.0)),
    ("digest", "skill", 2, flea.Used("id-digest", "digest-by-bob", 40, 4, 30.0)),  # as minutes, but older
    ("budget", "agent", 3, flea.Used("id-budget", "budget-by-bob", 900, 2, -12.0, cost=None)),
    ("ledger", "plugin", 4, flea.Used("id-ledger", "ledger-by-bob", 12, 9)),
    ("travel", "plugin", 5, flea.Used("id-travel", "travel-by-bob", 5, 1, 250.0)),
)
"""What colleagues shared: (name, kind, age in days, figures)."""


def _shared_by_colleagues(house: Wiring) -> None:
    state, store, now = house.state, house.store, house.clock.now()
    for name, kind, age, used in FLEA:
        film = {"video_url": VIDEOS["YouTube"]} if name == "notes" else {}
        words = {"description": f"A small plugin for {name}, made by a colleague."} if used else {}
        flea.plant(
            state, store, owner_id="id-of-bob", name=name, kind=kind, now=now - timedelta(days=age), **film, **words
        )
    flea.use(state, [used for *_, used in FLEA if used])


def _sessions_of_the_admin(house: Wiring) -> None:
    """One with a subagent and a failed call, long enough for several parts, and one to be removed. No note says that they came, so
    no extraction changes the figures; the demonstration has sessions with figures."""
    with house.state.read("people") as db:
        (user_id,) = db.execute("SELECT id FROM people.users WHERE email = ?", [many.ADMIN]).fetchone()
    main, agent = Transcript(SESSION), Transcript(SESSION, agent_id="a1", rng=random.Random(3))
    main.prompt("Why does the forecast of Q3 differ? " + "Quarter " * 60)
    main.result(
        main.use("Bash", command="grep -rn 'Q3' " + "reports/" * 30), "x" * 900 + "\nno such file", is_error=True
    )
    agent.prompt("Look for rows without a cost centre")
    agent.result(agent.use("Read", file_path="/ws/ledger.csv"), "id;amount\n" * 40)
    main.at = agent.at
    for number in range(60):
        main.say([{"type": "text", "text": f"Step {number}: **the ledger** has 12 rows without a cost centre."}])
        main.result(main.use("Edit", file_path=f"/ws/{number}.py"), "done")
    gone = Transcript(REMOVED)
    gone.prompt("Something private")
    for t in (main, agent, gone):
        house.store.write(transcript_id(user_id, t.session, t.agent_id).key, packed.pack(t.body()), expect=ANYTHING)


def _to_review(house: Wiring, folder: Path) -> None:
    """A marketplace that nobody was granted anything of, with a version that waits for an admin."""
    admin = Principal("u-admin", many.ADMIN, "Admin", frozenset({"admin"}), is_admin=True)
    state, clock, allow = house.state, house.clock, frozenset({"file"})
    tools = sync.Syncing(state, house.store, DulwichGit(allow=allow), house.secrets, clock, house.web)
    market = SampleMarketplace(folder / "review.git")
    wish = NewMarketplace(
        name="Guild under review", slug="review", url=market.url, curator_name="Cora", curator_email="cora@example.com"
    )
    marketplaces.register(state, admin, wish, secrets=house.secrets, clock=clock, allow=allow)
    sync.sync(tools, "review")
    held = MarketplaceChange(hold=True)
    marketplaces.update(state, admin, "review", held, secrets=house.secrets, clock=clock, allow=allow)
    market.change(
        "pay", {"plugins/finops/commands/pay.md": "---\nallowed-tools: Bash\n---\n!`curl https://e.example`\n"}
    )
    market.release_finops("1.5.0")
    sync.sync(tools, "review")


def _with_media(market: SampleMarketplace) -> None:
    """The demonstration's repository, its first plugin with a picture and films beside its words."""
    words = json.loads(market.files[METADATA].body)["plugins"]["finops"]
    market.change("A cover", {"media/finops.png": png()})
    inner = {"skills": {"forecast": VIDEOS["Vimeo"]}, "agents": {"auditor": VIDEOS["file"]}}
    for kind, films in inner.items():
        for name, film in films.items():
            words.setdefault(kind, {}).setdefault(name, {})["video_url"] = film
    words["video_url"] = VIDEOS["YouTube"]
    market.write_page("finops", **words | {"cover_photo": "media/finops.png"})


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser tests need Chromium (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, base_url: str) -> Any:
    """The cookies of somebody who has signed in through the page."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{base_url}/login")
    page.get_by_label("E-mail").fill(many.ADMIN)
    page.get_by_label("Password").fill(many.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/marketplace*")
    state = context.storage_state()
    context.close()
    return state


@dataclass
class Visit:
    """Opens pages as the admin; what their console complains of fails the test."""

    browser: Browser
    base_url: str
    state: Any
    complaints: list[str]
    contexts: list[BrowserContext]

    def open(self, path: str = "/marketplace", *, width: int = 1280, height: int = 900, **context: Any) -> Page:
        made = self.browser.new_context(
            base_url=self.base_url,
            storage_state=self.state,
            viewport={"width": width, "height": height},
            **context,
        )
        self.contexts.append(made)
        made.route(
            ELSEWHERE, lambda route: route.fulfill(content_type="text/html", body="<title>A film</title><p>A film</p>")
        )
        page = made.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.set_default_navigation_timeout(PATIENCE_MILLISECONDS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.goto(path)
        return page


@pytest.fixture
def visit(browser: Browser, base_url: str, signed_in: Any) -> Iterator[Visit]:
    found = Visit(browser, base_url, signed_in, [], [])
    yield found
    for context in found.contexts:
        context.close()
    assert not found.complaints, found.complaints


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keep a picture of a page."""

    def take(page: Page, name: str) -> None:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(ARTIFACTS / f"{name}.png"), full_page=True)

    return take
