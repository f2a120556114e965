"""What a credential may do does not depend on what it is carried in."""

from tests.builders.house import House
from tests.builders.people import seed_admin


def test_a_personal_access_token_as_a_cookie_makes_no_further_tokens(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        made = house.post("/auth/tokens", token=admin.token, json_body={"name": "laptop"})
        assert made.status == 201, made.text
        leaked = made.json()["token"]
        again = house.post("/auth/tokens", cookie=f"access_token={leaked}", json_body={"name": "more"})
        assert again.status == 403
        assert again.json()["code"] == "interactive_login_required"
