"""News: what admins write, everybody reads."""

from __future__ import annotations

from tests.builders.people import add_person

ADMIN_PAGE = "/admin/system/news"


def test_what_is_published_everybody_reads_until_it_is_removed(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    assert "No news yet" in house.get("/news", token=bob.token).text
    text = "**Try** it: [guide](https://example.com) <script>alert(1)</script>"
    form = {"action": "publish", "title": "New <plugin>", "body": text}
    assert house.post(ADMIN_PAGE, token=admin.token, form=form).status == 303
    page = house.get("/news", token=bob.token).text
    assert "New &lt;plugin&gt;" in page
    assert "<strong>Try</strong>" in page
    assert "<script>alert" not in page
    assert ADMIN_PAGE not in page, "only admins are led there"
    [article] = house.get("/api/news", token=bob.token).json()
    assert (article["title"], article["published_by"], article["updated_at"]) == ("New <plugin>", admin.email, None)

    changed = {"action": "update", "id": article["id"], "title": "Newer", "body": ""}
    assert house.post(ADMIN_PAGE, token=admin.token, form=changed).status == 303
    assert "Newer" in house.get("/news", token=bob.token).text
    assert house.post(ADMIN_PAGE, token=admin.token, form={"action": "remove", "id": article["id"]}).status == 303
    assert house.get("/api/news", token=bob.token).json() == []
    gone = house.post(ADMIN_PAGE, token=admin.token, form=changed)
    assert (gone.status, "there is no such article" in gone.text.lower()) == (404, True)


def test_the_api_does_the_same_for_admins_alone(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    given = {"title": "  Friday  ", "body": "x"}
    assert house.post("/api/news", token=bob.token, json_body=given).status == 403
    made = house.post("/api/news", token=admin.token, json_body=given).json()
    assert made["title"] == "Friday"
    put = {"id": made["id"], "title": "Monday", "body": "y"}
    assert house.call("PUT", "/api/news", token=bob.token, json_body=put).status == 403
    assert house.call("PUT", "/api/news", token=admin.token, json_body=put).json()["title"] == "Monday"
    assert house.delete(f"/api/news?id={made['id']}", token=bob.token).status == 403
    assert house.delete(f"/api/news?id={made['id']}", token=admin.token).status == 204
    assert house.delete(f"/api/news?id={made['id']}", token=admin.token).status == 404
    assert house.get("/api/news").status == 401
    assert house.get(ADMIN_PAGE, token=bob.token).status == 403


def test_without_a_title_nothing_is_published(house, admin):
    again = house.post(ADMIN_PAGE, token=admin.token, form={"action": "publish", "title": " ", "body": "Kept text"})
    assert again.status == 400
    assert "Kept text" in again.text
    assert house.post("/api/news", token=admin.token, json_body={"title": "x" * 121}).status == 422
    assert house.get("/api/news", token=admin.token).json() == []


def test_the_oldest_go_when_there_are_too_many(house, admin):
    house.state.commit(
        "people",
        lambda tx: tx.db.execute(
            """INSERT INTO people.news (id, title, body, published_at, published_by)
            SELECT 'old-' || i, 'Old ' || i, '', TIMESTAMPTZ '2020-01-01 00:00:00+00' + INTERVAL (i) DAY, 'x' FROM range(200) r(i)"""
        ),
    )
    house.post("/api/news", token=admin.token, json_body={"title": "Newest"})
    found = house.get("/api/news", token=admin.token).json()
    assert (len(found), found[0]["title"], found[-1]["title"]) == (200, "Newest", "Old 1")
