"""News: everybody reads them, admins write them."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint, page
from agnes.kernel.principal import Principal
from agnes.news import service
from agnes.news.model import Article, ArticleCreate, ArticleUpdate
from agnes.profile import news_page
from agnes.profile.news_page import NewsPage

app = Function("profile-any_news")


class Which(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=40)


@app.route("/news", methods=["GET"])
@page(needs=Needs.LOGIN)
def page_news(_who: Principal) -> NewsPage:
    """Show the news, newest first."""
    return news_page.news_page(wiring.state())


@app.route("/api/news", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_news(_who: Principal) -> list[Article]:
    """List the news, newest first."""
    with wiring.state().read("people") as db:
        return service.articles(db)


@app.route("/api/news", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=ArticleCreate, status=201)
def post_news(who: Principal, body: ArticleCreate) -> Article:
    """Publish an article to everybody."""
    return service.publish(wiring.state(), who, body, now=wiring.clock().now())


@app.route("/api/news", methods=["PUT"])
@endpoint(needs=Needs.ADMIN, body=ArticleUpdate)
def put_news(who: Principal, body: ArticleUpdate) -> Article:
    """Change an article; its place in the list stays."""
    return service.update(wiring.state(), who, body, now=wiring.clock().now())


@app.route("/api/news", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN, query=Which, status=204)
def delete_news(who: Principal, query: Which) -> None:
    """Remove an article."""
    service.remove(wiring.state(), who, query.id)
