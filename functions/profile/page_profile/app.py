"""The profile of whoever is signed in."""

from agnes import wiring
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal
from agnes.profile import profile_page
from agnes.profile.profile_page import ProfileForm, ProfilePage

app = Function("profile-page_profile")


@app.route("/me/profile", methods=["GET"])
@page(needs=Needs.LOGIN, reads=("marketplace",))
def page_profile(who: Principal) -> ProfilePage:
    """Show one's account, tokens, groups and access."""
    return profile_page.profile_page(wiring.state(), wiring.store(), who, now=wiring.clock().now())


@app.route("/me/profile", methods=["POST"])
@form(needs=Needs.PERSON, body=ProfileForm, page=page_profile)
def post_profile(who: Principal, body: ProfileForm) -> Done | ProfilePage:
    """Change name or password, make or revoke a token, sign out elsewhere."""
    done = profile_page.change(wiring.state(), wiring.store(), wiring.secrets(), who, body, now=wiring.clock().now())
    return Done(profile_page.PATH, done) if isinstance(done, str) else done
