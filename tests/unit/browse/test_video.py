"""Which demo videos are played on a page, and what the page may then load."""

from __future__ import annotations

import pytest

from agnes.browse.video import find_player

YOUTUBE = "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ"
VIMEO = "https://player.vimeo.com/video/76979871?dnt=1"
FILE = "https://media.example.com/demo/a%20b.mp4"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", YOUTUBE),
        ("http://m.youtube.com/watch?feature=share&v=dQw4w9WgXcQ&t=9s", YOUTUBE),
        ("https://youtu.be/dQw4w9WgXcQ?si=abc", YOUTUBE),
        ("https://www.youtube.com/shorts/dQw4w9WgXcQ", YOUTUBE),
        ("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?autoplay=1", YOUTUBE),
        ("https://YOUTUBE.com/live/dQw4w9WgXcQ/", YOUTUBE),
        ("https://vimeo.com/76979871", VIMEO),
        ("https://vimeo.com/76979871/0a1b2c3d4e", f"{VIMEO}&h=0a1b2c3d4e"),
        ("https://player.vimeo.com/video/76979871?h=0a1b2c3d4e&autoplay=1", f"{VIMEO}&h=0a1b2c3d4e"),
        (FILE, FILE),
        ("https://media.example.com:8443/x.webm", "https://media.example.com:8443/x.webm"),
    ],
)
def test_is_played(url, address):
    player = find_player(url)
    assert player.address == address
    assert address.startswith(player.source)


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://youtu.be/dQw4w9WgXcQ", "frame-src https://www.youtube-nocookie.com"),
        ("https://vimeo.com/76979871", "frame-src https://player.vimeo.com"),
        (FILE, f"media-src {FILE}"),
    ],
)
def test_the_page_may_load_nothing_else(url, policy):
    assert find_player(url).policy == policy


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://videos.example/demo",
        "https://www.youtube.com/watch?v=dQw4w9WgXc",  # ten characters
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ%22%3E",
        "https://www.youtube.com/playlist?list=PL123",
        "https://www.youtube.com/embed/../dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ/../../x",
        "https://youtube.com.evil.test/watch?v=dQw4w9WgXcQ",
        "https://evilyoutube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be:8443/dQw4w9WgXcQ",
        "https://vimeo.com/album/123456",
        "https://vimeo.com/76979871/<script>",
        "https://vimeo.com/76979871\u0661",
        "http://media.example.com/plain.mp4",  # blocked on an https page
        "https://media.example.com/x.mp4?a=1",
        "https://media.example.com/x;script-src%20*.mp4;.mp4",
        "https://media.example.com/x,y.mp4",
        "https://media.example.com/x.mp4 'unsafe-inline'.mp4",
        "https://user@media.example.com/x.mp4",
        "https://*/x.mp4",
        "https://[::1/x.mp4",
        "https://media.example.com:99999999/x.mp4",
        "javascript:alert(1)//x.mp4",
    ],
)
def test_stays_a_link(url):
    assert find_player(url) is None
