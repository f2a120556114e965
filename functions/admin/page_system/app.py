"""Pages of the system: model prices, jobs, blocked content, collect locations, news.

They are few, small, and admins' alone; together they cost two of the API's 300 paths (decision 147).
"""

from agnes import wiring
from agnes.admin import blocked_page, jobs_page, locations_page, news_page, prices_page
from agnes.admin.blocked_page import BlockedPage, BlockForm
from agnes.admin.jobs_page import JobForm, JobsPage
from agnes.admin.locations_page import LocationForm, LocationsPage
from agnes.admin.news_page import NewsAdminPage, NewsForm, NewsQuery
from agnes.admin.prices_page import PriceForm, PricesPage, PricesQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel import audit
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change
from agnes.ops import jobs

app = Function("admin-page_system")


@app.route(prices_page.PATH, methods=["GET"])
@page(needs=Needs.ADMIN, query=PricesQuery, reads=("telemetry",))
def page_prices(who: Principal, query: PricesQuery) -> PricesPage:
    """List prices by model, and those that admins set above them."""
    return prices_page.prices_page(wiring.state(), who, query, now=wiring.clock().now())


@app.route(prices_page.PATH, methods=["POST"])
@form(needs=Needs.ADMIN, body=PriceForm, page=page_prices)
def post_prices(who: Principal, body: PriceForm) -> Done:
    """Set a price, or take one back."""
    return Done(prices_page.PATH, prices_page.change(wiring.state(), who, body, now=wiring.clock().now()))


@app.route(jobs_page.PATH, methods=["GET"])
@page(needs=Needs.ADMIN)
def page_jobs(_who: Principal) -> JobsPage:
    """List the jobs: the schedule of each, its last run, and about when it is due."""
    now = wiring.clock().now()
    return jobs_page.jobs_page(jobs.jobs(wiring.store(), wiring.settings().seconds_between, now=now), now=now)


@app.route(jobs_page.PATH, methods=["POST"])
@form(needs=Needs.ADMIN, body=JobForm, page=page_jobs)
def post_jobs(who: Principal, body: JobForm) -> Done:
    """Start a job in the background."""
    now = wiring.clock().now()
    started = jobs.start(wiring.jobs(), who, body.job, dry_run=False, now=now)
    said = {"run_id": started.run_id, "dry_run": False}
    audit.record(wiring.store(), Change(f"run_job:{started.job}", f"job:{started.job}", said), now=now)
    return Done(jobs_page.PATH, f"{started.job} was started. Its outcome appears here once it has ended.")


@app.route(blocked_page.PATH, methods=["GET"])
@page(needs=Needs.ADMIN, reads=("marketplace",))
def page_blocked(_who: Principal) -> BlockedPage:
    """List blocked content with the plugins that hold it."""
    return blocked_page.blocked_page(wiring.state())


@app.route(blocked_page.PATH, methods=["POST"])
@form(needs=Needs.ADMIN, body=BlockForm, page=page_blocked)
def post_blocked(who: Principal, body: BlockForm) -> Done:
    """Block content by its hash, or let it be served again."""
    return Done(blocked_page.PATH, blocked_page.change(wiring.state(), who, body, now=wiring.clock().now()))


@app.route(locations_page.PATH, methods=["GET"])
@page(needs=Needs.ADMIN, reads=("collector",))
def page_locations(_who: Principal) -> LocationsPage:
    """List where transcripts are collected from."""
    return locations_page.locations_page(wiring.state())


@app.route(locations_page.PATH, methods=["POST"])
@form(needs=Needs.ADMIN, body=LocationForm, page=page_locations)
def post_locations(who: Principal, body: LocationForm) -> Done:
    """Add, pause, resume or forget a location."""
    notice = locations_page.change(wiring.state(), who, body, secrets=wiring.secrets(), clock=wiring.clock())
    return Done(locations_page.PATH, notice)


@app.route(news_page.PATH, methods=["GET"])
@page(needs=Needs.ADMIN, query=NewsQuery)
def page_news(_who: Principal, query: NewsQuery) -> NewsAdminPage:
    """Show the news with forms that change them."""
    return news_page.news_page(wiring.state(), query)


@app.route(news_page.PATH, methods=["POST"])
@form(needs=Needs.ADMIN, body=NewsForm, page=page_news)
def post_news(who: Principal, body: NewsForm) -> Done:
    """Publish, change or remove an article."""
    return Done(news_page.PATH, news_page.change(wiring.state(), who, body, now=wiring.clock().now()))
