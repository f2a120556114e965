"""What flows from where to where within one file: fetched text that is run, downloaded files that are started, secrets that are sent.

Rules look at words that are near one another; this follows names. A text is read line by line, forwards. Words of a line say where its values
come from (the net, a secret, something decoded); what is assigned on the line carries that on, and a line that runs or sends a value that
carries it is a finding. A name that is given something else is forgotten. It knows no language: assignments, calls and pipes look alike in
shell, Python, JavaScript, Ruby, Perl, PHP and PowerShell. It is no data-flow analysis of a compiler, and misses what goes through functions
and other files.

The work is a fixed number of passes of linear-time patterns over a text of at most MAX_BYTES.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Flag, auto
from itertools import accumulate

from agnes.checks.rules.words import KNOWN_INSTALLERS, LOCAL_ADDRESS
from agnes.kernel.scanning import Patterns, PatternSet

MAX_BYTES = 200_000
"""Of one file; larger ones are judged by rules alone."""
MAX_PLACES = 4_000
"""Of one pattern in one file."""
MAX_FILES = 50
"""Downloaded files that are followed in one file."""
MAX_LINE_BYTES = 4_000
"""In longer lines, which are packed scripts and data, nobody starts a file by name."""
MAX_FLOWS = 5
"""Of one rule in one file."""


class From(Flag):
    NOTHING = 0
    NET = auto()
    """Text from another machine."""
    SECRET = auto()
    DECODED = auto()


@dataclass(frozen=True, slots=True)
class Flow:
    rule: str
    line: int


_NET = (
    r"\burlopen\(|\brequests\.(?:get|post|request|Session)\(|\bhttpx\.(?:get|post|stream|Client)\(|\baiohttp\b|\burllib3\b|\bfrom requests import\b|\bfetch\(|\baxios\b|\bgot\(|\bsuperagent\b|\bundici\b|\bhttps?\.(?:get|request)\(|"
    r"Net::HTTP|URI\.open|\bopen-uri\b|HTTParty|RestClient|Faraday|LWP::|\bget\(?[\"']https?://|file_get_contents\(\s*[\"']?(?:https?://|\$)|\bcurl_exec\(|\bcurl\s|\bwget\s|\baria2c\s|\blynx\s+-|\bw3m\s+-|\bipfs\s+cat|Download(?:String|Data|File)\(|"
    r"Invoke-(?:WebRequest|RestMethod)|\biwr\b|\birm\b|Start-BitsTransfer|\.recv\(|\bdig\s[^\n]{0,30}\btxt\b|\bnslookup\s[^\n]{0,20}-(?:type|q)=txt|resolveTxt\(|dns\.resolver|\bhttp\.Get\(|reqwest::|ureq::|HttpClient|URLSession|\bokhttp|java\.net\.URL|URLConnection|"
    r"\bgh\s+(?:api|gist\s+view)\b|\baws\s+s3\s+cp\s+s3://\S+\s+-|\bgsutil\s+cat\b|get_object\(|imaplib|getUpdates|new WebSocket\(|EventSource\(|websocket\.|\bnc(?:at)?\s+[\w.-]+\s+\d|openssl\s+s_client|</dev/tcp/|https?\.client|\bssh\s+\S+@\S+\s+[\"']?cat\b"
)
_DECODED = (
    r"b(?:16|32|64|85)decode|a85decode|\batob\(|[\"']base64[\"']\s*\)|codecs\.decode|bytes\.fromhex|unhexlify|decompress\(|FromBase64String|fromCharCode|\bchr\([^\n]{0,40}\^|\bord\([^\n]{0,40}\^|"
    r"base64\s+(?:-d|-D|--decode)\b|\bxxd\s+-r|\bgunzip\b|openssl\s+enc\s[^\n]{0,40}-d|\bunescape\(|pack\([\"']H|MIME::Base64|base64_decode|gzinflate|str_rot13|\bbytes\(\[\s*\d|"
    r"printf\s+[\"']?(?:\\+x?[0-9a-f]{2,3}){3}|\btr\s+[\"']?A-Za-z[\"']?\s|\brev\b\s*<<<|\bstrings\s|\bgit\s+(?:log|notes|cat-file)\b|\b(?:tail|head)\s+-[cn]\s*\+?\d[^\n]{0,60}\||\bexiftool\b|zsteg|steghide|identify\s+-format|Buffer\.from\([^\n]{0,80}[\"'](?:hex|base64)[\"']"
)
_SECRET = (
    r"[/\"'~\s]\.ssh\b|\bid_(?:rsa|ed25519|ecdsa|dsa)\b|\.aws\b[/\\\"']|\.netrc\b|\.git-credentials|\.pypirc\b|\.kube\b|\.docker\b[^\n]{0,20}config|\.gnupg\b|hosts\.yml|gcloud[/\\\"'][^\n]{0,40}credential|"
    r"application_default_credentials|Login Data|cookies\.sqlite|key4\.db|logins\.json|login\.keychain|wallet\.dat|/etc/shadow|/etc/passwd|\.credentials\.json|\.claude\.json|\.vault-token|\.password-store|"
    r"\.(?:bash|zsh)_history|find-(?:generic|internet)-password|secret-tool\s+lookup|keyring\.get_password|gh\s+auth\s+token|gcloud\s+auth\s[^\n]{0,40}print-access-token|git\s+credential\s+fill|aws\s+configure\s+(?:get|export)|"
    r"dict\(os\.environ|os\.environ\.(?:items|copy)|\*\*os\.environ|stringify\(\s*process\.env\s*\)|Object\.entries\(process\.env|printenv|\benv\s*\||\$\(env\b|Get-ChildItem\s+Env:|/proc/self/environ|ENV\.to_h|"
    r"AWS_SECRET_ACCESS_KEY|ANTHROPIC_(?:API_KEY|AUTH_TOKEN)|CLAUDE_CODE_OAUTH_TOKEN|\bcat\s+[\"']?\.env\b|open\([\"'](?:\./)?\.env\b|readFileSync\([\"'](?:\./)?\.env\b|Get-Clipboard|\bpbpaste\b|xclip\s+-o|wl-paste|/keyrings\b|Library/Keychains|kubectl\s+get\s+secrets?|get-secret-value|--with-decryption|\bop\s+(?:read|item\s+get)\b|\bbw\s+get\b|\bpass\s+show\b|tfstate\b|transcript_path|\.claude[/\"', ]+projects|169\.254\.169\.254|/proc/\S{1,12}/environ|grep\s[^\n]{0,60}(?:AKIA|ghp|sk[-|)])"
)
_RUN = (
    r"(?:^|[^.\w\n])(?:exec|compile)\s*\(|child_process[\"']?\)?\.exec\(|\beval\b|\bnew Function\(|\bFunction\(|\bvm\.(?:runIn\w+|Script)\(|os\.(?:system|popen)\(|shell\s*=\s*True|execSync\(|child_process[\"']\)\.exec|subprocess\.get(?:status)?output\(|"
    r"\|\s*(?:sudo\s+)?(?:[\w./]*/)?(?:env\s+)?(?:ba|z|da|k)?sh\b|\|\s*(?:sudo\s+)?(?:python[23]?|node|perl|ruby|php|source)\b|\|\s*\$\{?SHELL|\b(?:ba|z|da|k)?sh\s+-c\b|\bpython[23]?\s+-c\b|\bnode\s+-e\b|\biex\b|"
    r"Invoke-Expression|scriptblock\]::Create|\bsource\s+/dev/stdin|(?:source|\.)\s+<\(|\b(?:ba|z)?sh\s+<\(|pickle\.loads?\(|marshal\.loads\(|types\.FunctionType\(|system\(\s*\$|instance_eval|class_eval|\[\s*['\"]constructor['\"]\s*\]|"
    r"exec\.Command\(\s*[\"'](?:/bin/)?(?:ba)?sh|Command::new\(\s*[\"'](?:/bin/)?(?:ba)?sh|getRuntime\(\)\.exec|ProcessBuilder\(|ScriptEngine|defineClass|URLClassLoader|Assembly\.Load|Process\.Start\(|\bloadstring\(|\bload\(\s*\w+\s*\)\s*\(|os\.execute\(|io\.popen\(|Code\.eval_string|parse\(\s*text\s*=|Kernel\.(?:exec|system|eval)|"
    r"IO\.popen|shell_exec\(|passthru\(|proc_open\(|create_function\(|\bassert\(\s*\$|\bqx\W|create_subprocess_shell|InteractiveInterpreter|unsafe_load\(|\byaml\.load\(|joblib\.load\(|torch\.load\(|allow_pickle\s*=\s*True|shell\s*:\s*true|eval\s*:\s*true|runpy\.run|load_module\(|exec_module\(|\bdill\.loads?\("
)
_SEND = (
    r"\.(?:post|put|patch)\(|\brequests\.(?:get|request)\(|httpx\.(?:get|request)\(|urlopen\([^\n)]{0,120},|Request\([^\n)]{0,120},|method\s*:\s*[\"']P(?:OST|UT)|sendBeacon\(|\.send\(|\.sendall\(|\.end\(|sendmail\(|send_message\(|stor(?:binary|lines)\(|"
    r"gethostbyname\(|getaddrinfo\(|dns\.(?:resolve|lookup)|\bcurl\s|\bwget\s[^\n]{0,80}--(?:post|body|header)|\bnc(?:at)?\s+\S|\bsocat\s|\bscp\s|\brsync\s[^\n]{0,120}:|\bssh\s+\S+@|\bnslookup\s|\bdig\s|\bhost\s+\$|-Method\s+(?:Post|Put)|"
    r"UploadString\(|UploadFile\(|aws\s+s3\s+(?:cp|mv|sync)|put_object\(|upload_file(?:obj)?\(|s3\.upload\(|\bgit\s+push\b|\bgh\s+(?:issue|pr)\s+(?:create|comment)|webbrowser\.open\(|\bxdg-open\s|\bopen\s+[\"']https?://|\bstart\s+https?://|\bping\s[^\n]{0,30}-p\s|\blogger\s+-n|\.publish\(|\bgh\s+gist\s+create|\bmailx?\s+-s|new Image\(\)\.src|XMLHttpRequest|http\.Post\(|Net::HTTP\.post|openssl\s+s_client"
)
_SAVED = (
    r"\bcurl\s[^\n]{0,90}\s(?:-\w*o|--output)[ =]+[\"']?[^\s\"';|&]+|\bcurl\s[^\n]{0,90}>\s*[\"']?[^\s\"';|&]+|\bwget\s[^\n]{0,90}\s(?:-\w*O|--output-document)[ =]*[\"']?[^\s\"';|&]+|-OutFile\s+[\"']?[^\s\"';|&]+|"
    r"\baria2c\s[^\n]{0,90}-o\s+\S+|\b(?:aws\s+s3|gsutil)\s+cp\s+(?:s3|gs)://\S+\s+[^\s;|&]+|\bscp\s+\S+:\S+\s+[^\s;|&]+|-Destination\s+[\"']?[^\s\"';|&]+|urlretrieve\([^\n,]{1,90},\s*[\"']?[^\s\"',)]+|DownloadFile\([^\n,]{1,90},\s*[\"']?[^\s\"',)]+|certutil\s[^\n]{0,40}-urlcache[^\n]{0,90}\s[\"']?[^\s\"';|&]+\s*$|bitsadmin\s[^\n]{0,90}\s[\"']?[^\s\"';|&]+\s*$"
)
"""Ends with where it is saved."""
_WRITTEN = r"\bopen\([^\n,)]{1,80},\s*[\"']w|\.write_(?:bytes|text)\(|writeFile(?:Sync)?\(|createWriteStream\(|\bf?write\(|\btee\s|copyfileobj\("
_STARTED = (
    r"\bchmod\s+(?:-\w+\s+)?(?:[ugoa]*\+r?w?x|[0-7]?[0-7]*[1357][0-7]{0,2})\s|\.chmod\(|\bsubprocess\.\w+\(|\bPopen\(|\bspawn(?:Sync)?\(|\bexecFile(?:Sync)?\(|\bos\.exec\w*\(|CDLL\(|LoadLibrary|Start-Process|spec_from_file_location\(|"
    r"\brequire\(|\bimport\(|import_module\(|\brunpy\b"
)
_ASSIGNED = (
    r"(?:^|[;{(&|]|\b(?:const|let|var|my|local|export|readonly|declare)\b)[ \t]*[$@]?\{?[A-Za-z_][\w.]{0,60}[ \t]*(?::[ \t]*[\w\[\], .|]{1,40})?[ \t]*(?:\+|\.|:)?=[^=>~]|"
    r"\bfor\s+\(?(?:const\s+|let\s+|my\s+)?[$]?\w+(?:\s*,\s*\w+)*\)?\s+(?:in|of)\b|\bas\s+\w+\s*:|\(?\{?[ \t]*\w+(?:[ \t]*,[ \t]*\w+)*[ \t]*\}?\)?[ \t]*=>|\{[ \t]*\w+(?:[ \t]*:[ \t]*\w+)?[ \t]*\}[ \t]*=[^=>]"
)
PATTERNS = tuple(f"(?im){one}" for one in (_NET, _DECODED, _SECRET, _RUN, _SEND, _SAVED, _WRITTEN, _STARTED, _ASSIGNED))
_IS_NET, _IS_DECODED, _IS_SECRET, _RUNS, _SENDS, _SAVES, _WRITES, _STARTS, _ASSIGNS = range(len(PATTERNS))
_SOURCES, _SINKS = (_IS_NET, _IS_DECODED, _IS_SECRET, _SAVES), (_RUNS, _SENDS, _SAVES, _STARTS)
_CHECKED = r"(?i)sha-?(?:256|512)|shasum|checksum|gpg\s+--verify|cosign|\bminisign\b"
"""A file whose download is compared with a digest is not what this is about."""
_TRUSTED = f"(?i){KNOWN_INSTALLERS}|github\\.com/[\\w-]+/[\\w.-]+/releases|{LOCAL_ADDRESS}"
_AUTHORIZES = (
    r"(?i)authorization|bearer|x-api-key|\bheaders?\b|\s-H\s|api\.anthropic\.com|api\.github\.com|amazonaws\.com|\s-u\s+\S+:|"
    r"ssh-(?:add|keygen|keyscan|copy-id)|known_hosts|StrictHostKeyChecking"
)
"""A secret is sent to whom it is for, as a credential."""
_CHECKS, _IS_TRUSTED, _IS_AUTHORIZING = range(3)
_NO_WORD = bytes(c if (chr(c).isalnum() and c < 128) or c == 95 or c >= 128 else 32 for c in range(256))
_WORD = frozenset(c for c in range(256) if _NO_WORD[c] != 32) | {ord("-")}
_KEYWORDS = frozenset(
    b"const let var my local export readonly declare for in of as if else return async await function def lambda not and "
    b"or is None True False self this open write tee w wb f".split()
)
_COMMANDS = frozenset(
    b"bash sh zsh dash ksh python python3 node perl ruby php source . exec nohup sudo start open wscript cscript powershell pwsh "
    b"deno bun run then do time env call &".split()
)
"""After these, a word is a program or script that is run."""
_BEFORE_NAMES = b"\"'${}%@ \t([`"


@dataclass(slots=True)
class _Names:
    """What is known of names so far."""

    origin: dict[bytes, From] = field(default_factory=dict)
    files: set[bytes] = field(default_factory=set)
    """Names of variables, and paths, of files that were downloaded."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: bytes
    found: dict[int, list[tuple[int, bytes]]]
    """Number of a pattern → (place, what it matched)."""

    def has(self, number: int) -> bool:
        return number in self.found


def of(body: bytes, patterns: Patterns) -> Iterator[Flow]:
    """Flows of one text, by line."""
    if len(body) > MAX_BYTES:
        return
    known = patterns.compile(PATTERNS)
    for gate in (_SOURCES, _SINKS):
        if not any(known.spans(number, body, 1) for number in gate):
            return
    excuses = patterns.compile((_CHECKED, _TRUSTED, _AUTHORIZES))
    is_checked = bool(excuses.spans(_CHECKS, body, 1))
    names, counts = _Names(), dict[str, int]()
    for number, line in _lines(body, known):
        if not line.found and not names.origin and not names.files:
            continue
        for rule in sorted(_flows(line, names, excuses, is_checked=is_checked)):
            counts[rule] = counts.get(rule, 0) + 1
            if counts[rule] <= MAX_FLOWS:
                yield Flow(rule, number)


def _lines(body: bytes, known: PatternSet) -> Iterator[tuple[int, _Line]]:
    lines = body.split(b"\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    found: dict[int, dict[int, list[tuple[int, bytes]]]] = {}
    for number in range(len(PATTERNS)):
        for start, end in known.spans(number, body, MAX_PLACES):
            at = bisect_right(starts, start)
            found.setdefault(at, {}).setdefault(number, []).append((start - starts[at - 1], body[start:end]))
    for at, text in enumerate(lines, start=1):
        yield at, _Line(text, found.get(at, {}))


def _flows(line: _Line, names: _Names, excuses: PatternSet, *, is_checked: bool) -> set[str]:
    """Rules that the line breaks; `names` knows afterwards what it assigns."""
    is_trusted = (line.has(_IS_NET) or line.has(_SAVES)) and bool(excuses.spans(_IS_TRUSTED, line.text, 1))
    origin = From.NOTHING
    for number, source in ((_IS_NET, From.NET), (_IS_DECODED, From.DECODED), (_IS_SECRET, From.SECRET)):
        if line.has(number) and not (number == _IS_NET and is_trusted):
            origin |= source
    for name in names.origin.keys() & set(line.text.translate(_NO_WORD).split()):
        origin |= names.origin[name]
    flows = set()
    if line.has(_RUNS) and not line.text.lstrip().startswith((b"#", b"//", b"*", b"import ", b"from ")):
        if origin & From.NET:
            flows.add("remote-code.flow")
        elif origin & From.DECODED:
            flows.add("obfuscation.flow")
    if line.has(_SENDS) and origin & From.SECRET and not excuses.spans(_IS_AUTHORIZING, line.text, 1):
        flows.add("exfiltration.flow")
    if not is_checked and any(_is_started(line, name) for name in names.files):
        flows.add("remote-code.downloaded-file")
    _assign(line, names, origin)
    if not is_trusted:
        _save(line, names, origin)
        if not is_checked and any(_is_started(line, name, after_saving=True) for name in names.files):
            flows.add("remote-code.downloaded-file")
    return flows


def _assign(line: _Line, names: _Names, origin: From) -> None:
    for _, match in line.found.get(_ASSIGNS, ()):
        for name in match.translate(_NO_WORD).split():
            if name in _KEYWORDS or name.isdigit():
                continue
            if origin:
                names.origin[name] = origin
            elif b"+=" not in match:
                names.origin.pop(name, None)


def _save(line: _Line, names: _Names, origin: From) -> None:
    """Note files that the line downloads, or writes text from the net into."""
    for _, match in line.found.get(_SAVES, ()):
        last = match.translate(bytes.maketrans(b"=(,>\"'", b"      ")).split()[-1]
        _keep(last, names)
        if last.startswith((b"http:", b"https:")):  # `curl -O`: named as the address ends
            _keep(last.rstrip(b"/").rpartition(b"/")[2], names)
    if line.has(_WRITES) and origin & From.NET:
        for at, match in line.found[_WRITES]:
            if match.startswith(b"."):  # path.write_bytes(…)
                _keep(line.text[:at].rpartition(b" ")[2].rpartition(b"(")[2], names)
            else:
                _keep(line.text[at:].partition(b"(")[2].split(b",")[0], names)


def _keep(text: bytes, names: _Names) -> None:
    name = text.strip(b"\"'${}()@%;& \t").removeprefix(b"./")
    is_none = name in (b"-", b"/dev/null", b"/dev/stdout", b"1") or name.startswith(b"http")
    if 0 < len(name) <= 200 and not is_none and len(names.files) < MAX_FILES:
        names.files.add(name)


def _is_started(line: _Line, name: bytes, *, after_saving: bool = False) -> bool:
    """Whether a downloaded file is made executable, or is what a command begins with."""
    if len(line.text) > MAX_LINE_BYTES:
        return False
    text, at = line.text, line.text.find(name)
    if after_saving and line.has(_SAVES):  # the part of the line behind the download
        at = text.find(name, max(place + len(match) for place, match in line.found[_SAVES]))
    while at >= 0:
        end = at + len(name)
        if (at == 0 or text[at - 1] not in _WORD) and (end == len(text) or text[end] not in _WORD):
            for place, match in line.found.get(_STARTS, ()):
                if place < at and (not match.endswith(b"(") or not text[place + len(match) : at].strip(b"[(\"'` ")):
                    return True
                if place < at and match.startswith((b"spec_from", b"import_module")):
                    return True
            before = text[:at].rstrip(_BEFORE_NAMES).removesuffix(b"./").rstrip(_BEFORE_NAMES)
            is_called = text[at - 1 : at] in (b"/", b"$", b'"', b"{", b"%") or b"/" in name or b"\\" in name
            if before.endswith((b";", b"&&", b"|")) or not before:
                if is_called and not text[end:].lstrip(b"\"'} ").startswith((b"=", b":", b",", b")", b".")):
                    return True
            elif before.split()[-1] in _COMMANDS and not text[:at].rstrip().endswith((b"(", b"=")):
                return True
        at = text.find(name, end)
    return False
