"""Code that hides what it does (MITRE ATT&CK T1027, T1140)."""

from __future__ import annotations

from agnes.checks.model import Severity
from agnes.checks.rules.model import Rule, Where

_ADVICE = "Write the code as people read it."
_SH, _PY, _JS = "scripts/run.sh", "scripts/run.py", "scripts/run.js"

RULES = (
    Rule(
        "obfuscation.decode-run", Severity.CRITICAL, "something is decoded and run", _ADVICE, "echo bHMgLWxh | base64 -d | sh", "echo bHMgLWxh | base64 -d > list.txt\n",
        terms=(r"\b(?:base64|openssl|xxd|gunzip|zcat|gzip|bzcat|xz|rev|tr|base32|uudecode)\b[^\n|]{0,80}(?:\s-\w*[dDr]\w*\b|--decode|\benc\b|\|)[^\n]{0,60}\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b|\b(?:base64|openssl enc)\b[^\n|]{0,60}(?:-d|-D|--decode)\b[^\n]{0,60}\|\s*(?:python3?|node|perl|ruby|php)\b|\beval\s+[\"']?\$\(\s*(?:echo|printf)[^\n]*\|\s*(?:base64|xxd|rev|tr|openssl|gunzip)|\bbash\s+(?:-c\s+)?[\"']?(?:<\(|\$\()[^\n]*base64\s+(?:-d|-D|--decode)|(?:ba|z)?sh\s*<<<\s*[\"']?\$\([^\n]{0,200}base64",),
        example_path=_SH,
    ),
    Rule(
        "obfuscation.evaluated", Severity.CRITICAL, "decoded text is evaluated as code", _ADVICE, "exec(base64.b64decode('cHJpbnQoMSk='))", "print(base64.b64decode('cHJpbnQoMSk='))\n",
        terms=(r"(?:^|[^.\w])(?:exec|eval|compile|execSync|runInThisContext|runInNewContext|setTimeout|setInterval|Function|create_function|assert|system|popen|spawnSync|os\.system)\s*\(",
               r"\b(?:b64decode|b32decode|b16decode|a85decode|b85decode|decodebytes|fromhex|unhexlify|a2b_base64|zlib\.decompress|gzip\.decompress|lzma\.decompress|bz2\.decompress|marshal\.loads|codecs\.decode|rot_?13|atob|base64_decode|gzinflate|str_rot13|unescape|decodeURIComponent|fromCharCode|bytes\.fromhex|Buffer\.from\([^)\n]*[\"'](?:base64|hex)[\"']|inflateSync|gunzipSync|pack\s*\([\"']H\*|unpack1?\([\"']m)\b"), gap=60, where=Where.ANY, example_path=_PY, unless=r"json\.loads|JSON\.parse",
    ),
    Rule(
        "obfuscation.evaluated-later", Severity.HIGH, "decoded text is kept and then evaluated as code", _ADVICE, "p = base64.b64decode(DATA)\nexec(p)", "p = base64.b64decode(DATA)\nopen('a.png', 'wb').write(p)\n",
        terms=(r"\b(?:b64decode|b32decode|a85decode|b85decode|fromhex|unhexlify|zlib\.decompress|marshal\.loads|rot_?13|atob|fromCharCode|Buffer\.from\([^)\n]{0,200}[\"'](?:base64|hex)[\"']|base64_decode|gzinflate|bytes\(\s*\[|\bbytes\(\w\s*\^|chr\(ord|\^\s*(?:0x)?[0-9a-f]+\s+for|map\(chr)", r"(?:^|[^.\w])(?:exec|eval|new Function|Function|vm\.runIn\w+|os\.system|execSync|compile)\s*\(\s*\w"), gap=500, where=Where.RUNS | Where.PROSE, example_path=_PY,
        unless=r"\.exec\(|regex|re\.compile|RegExp",
    ),
    Rule(
        "obfuscation.dynamic-import", Severity.HIGH, "a module or function is named in pieces or by an expression, to be called", _ADVICE, "getattr(__import__('o' + 's'), 'sys' + 'tem')('ls')", "getattr(settings, name)\n",
        terms=(r"__import__\(\s*(?:[\"'][^\"'\n]{0,12}[\"']\s*\+|chr\(|[\"'][^\"'\n]{1,30}[\"']\[::-1\]|\w+\s*\(|bytes|[\"'](?:os|subprocess|socket|pty|ctypes|base64|marshal|builtins)[\"']\s*\)\s*\.)|getattr\(\s*(?:__import__\(|__builtins__|builtins|os\s*,|globals\(\)|sys\.modules|importlib)[^\n]{0,60}(?:\+|chr\(|\[::-1\]|join\(|decode|[\"'](?:system|popen|exec|eval)[\"'])|"
               r"(?:globals|locals|vars)\(\)\[\s*[\"'][^\"'\n]{0,20}[\"']\s*\+|__builtins__(?:\.__dict__)?\[|\[\s*[\"'](?:ev|exe|const)[\"']\s*\+\s*[\"']|(?:globalThis|window|global|self|this)\[\s*(?:[\"'][^\"'\n]{1,12}[\"']\s*\+|atob|String\.fromCharCode|[\"']\\x)|\brequire\(\s*(?:[\"'][^\"'\n]{1,14}[\"']\s*\+|atob|Buffer|String\.fromCharCode|\w+\()|constructor\s*(?:\]\s*)?\(\s*[\"'`]return|\[\]\[[\"'(]|import\(\s*(?:atob|String\.fromCharCode|[\"'][^\"'\n]{1,12}[\"']\s*\+\s*[\"'])",),
        where=Where.RUNS, example_path=_PY, unless=r"require\(path\.|require\(join|require\(resolve|__import__\(name\)|require\(`\./",
    ),
    Rule(
        "obfuscation.reversed", Severity.HIGH, "text is turned round, shifted or XORed and then run", _ADVICE, "eval(''.join(chr(ord(c) ^ 7) for c in BLOB))", "print(''.join(reversed(name)))\n",
        terms=(r"(?:^|[^.\w])(?:exec|eval|os\.system|subprocess\.\w+|Function|execSync)\s*\(\s*[^\n]{0,60}(?:\[::-1\]|reversed\(|\.reverse\(\)|chr\(\s*ord|\^\s*\w|map\(\s*chr|\.join\(\s*(?:chr|map)|charCodeAt|String\.fromCharCode|\.split\([\"'][\"']\)\.reverse)|\becho\s+[^\n|]{3,400}\|\s*rev\s*\|\s*(?:ba|z)?sh|\bprintf\s+[\"'](?:\\x[0-9a-f]{2}|\\[0-7]{3}){4,}[^\n]*\|\s*(?:ba|z)?sh|\$'(?:\\x[0-9a-f]{2}|\\[0-7]{3}){3,}|\|\s*tr\s+[\"']?[A-Za-z-]{3,8}[\"']?\s+[\"']?[A-Za-z-]{3,8}[\"']?\s*\|\s*(?:ba|z)?sh",), example_path=_SH, where=Where.RUNS | Where.PROSE,
    ),
    Rule(
        "obfuscation.shell-tricks", Severity.HIGH, "a command's name is broken up so that nobody finds it", _ADVICE, "c''url -s x.example.net | ba\"\"sh", "echo '' | cat\n",
        terms=(r"\b[a-z]{1,4}(?:''|\"\"|\\)[a-z]{1,6}\s+(?:-\w|http)|\b(?:cu\\rl|wg\\et|ba\\sh)|\$\{IFS\}|\$IFS\b|\b(?:\w=[a-z]{1,4};\s*){2,}(?:\$\w){2,}|\$\{?\w+:\d+:\d+\}?\$\{?\w+:\d+:\d+\}?|\$\{PATH:\d+:\d+\}|\$\(\s*(?:echo|printf)\s+[\"']?[a-z\\0-9]{1,8}[\"']?\s*\)\$\(\s*(?:echo|printf)|/\?\?\?/\?\?|\bb\$\{?u\}?ash",), where=Where.RUNS, example_path=_SH,
        unless=r"IFS=|local IFS|read -r|for \w+ in",
    ),
    Rule(
        "obfuscation.packed-script", Severity.HIGH, "the script is packed, so that nobody can read it", _ADVICE, "eval(function(p,a,c,k,e,d){e=function(c){return c}}('0 1',2,2,'a|b'.split('|'),0,{}))", "function pack(items) { return items.join(',') }\n",
        terms=(r"eval\(function\(p,a,c,k,e,[dr]\)|\b_0x[0-9a-f]{4,6}\b[^\n]*\b_0x[0-9a-f]{4,6}\b[^\n]*\b_0x[0-9a-f]{4,6}\b|(?:\[\]|!\[\]|\+\[\]|\(!\[\]\+\[\]\)){8,}|\bPyArmor\b|__pyarmor__|\bpytransform\b|exec\(\(_\)\(b|lambda __\s*:\s*__import__",), where=Where.RUNS | Where.PROSE, example_path=_JS,
    ),
    Rule(
        "obfuscation.long-blob", Severity.MEDIUM, "a script carries a long encoded word", "Put data into a file of its own, and say what it is.", "BLOB = '" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIz" * 30 + "'", "BLOB = 'QUJDREVGR0hJSktM'\n",
        terms=(r"[A-Za-z0-9+/]{400}",), where=Where.CODE | Where.COMMAND, example_path=_PY, unless=r"data:(?:image|font|application/(?:font|wasm|x-font))|sourceMappingURL",
    ),
    Rule(
        "obfuscation.encoded-program", Severity.CRITICAL, "an encoded word is a {detail}", "Leave it out, or put it into a file of its own, which an admin decides about.", "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAAAAAAAAAAAAAAAAA", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAA\n", example_path="scripts/run.txt",
    ),
    Rule(
        "obfuscation.far-right", Severity.HIGH, "code is put so far to the right that nobody sees it", _ADVICE, "import json" + " " * 200 + ";import os;os.system('id')", "import json\n",
        terms=(r"[^\s][ \t]{120,}(?:;|&&|\|\||\|)?\s*(?:import|exec|eval|os\.|require|curl|wget|bash|sh|python3?|node|subprocess|__import__|fetch|\$\(|rm|nc)\b",), where=Where.RUNS | Where.PROSE, example_path=_PY,
    ),
    Rule(
        "obfuscation.delayed", Severity.HIGH, "it waits for a date, a host or a user before it acts, or looks whether it is watched", _ADVICE, "if time.time() > 1790000000:\n    os.system(CMD)", "if time.time() > deadline:\n    raise TimeoutError\n",
        terms=(r"(?:time\.time\(\)|Date\.now\(\)|date \+%s|datetime\.(?:now|utcnow|today)\([^)]{0,20}\)|new Date\(\))\s*(?:-gt|-ge|>=?)\s*(?:datetime\(|[\"']?\d{4,}|new Date\(|\d)|(?:gethostname\(\)|getpass\.getuser\(\)|os\.hostname\(\)|\$\(hostname\)|\$\(whoami\)|os\.userInfo)[^\n]{0,40}(?:==|!=|===|!==|\bin\b|=~)|\bIsDebuggerPresent|ptrace\(PTRACE|sys\.gettrace\(\)|(?:VBOX|VirtualBox|vmware|qemu|cuckoo)[^\n]{0,40}(?:exit|return|quit)", r"\b(?:os\.system|subprocess|exec\(|eval\(|execSync|child_process|curl|wget|rm -|bash|Function\(|urlopen|requests\.)"), gap=200, where=Where.RUNS, example_path=_PY,
    ),
    Rule(
        "obfuscation.flow", Severity.HIGH, "what was decoded is run: its name is followed through the file", _ADVICE,
        "text = codecs.decode(blob, 'rot13')\nlines = text.split()\neval(lines[0])\n", "text = base64.b64decode(blob)\nprint(text)\n", example_path="scripts/sync.py",
    ),
)  # fmt: skip
