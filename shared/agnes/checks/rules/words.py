"""Pieces of patterns that several rules share."""

from __future__ import annotations

WARNS = (
    r"\b(?:attack\w*|malicious|prompt injections?|inject(?:s|ed|ion|ions)|jailbreak\w*|phishing|adversar\w*|suspicious|red flags?|anti-?patterns?|vulnerab\w*|exploit\w*|threats?|unsafe|"
    r"example of|examples?:|e\.g\.|such as|things like|ctf|pentest\w*|red.?team\w*|detect\w*|flag|flags|flagged|warns?|warning|indicat\w*|payloads?|insecure|untrusted|reject\w*|refus\w*|block(?:s|ed)?|denied|forbid\w*|prohibit\w*)\b|❌|⚠|✗"
)
"""A text that warns of a thing or shows it, rather than asking for it."""

NEGATED = (
    WARNS
    + r"|\b(?:never|do not|don'?t|cannot|can'?t|avoid|must not|should not|shouldn'?t|prevent\w*|without asking|dangerous|risk\w*|bad:|wrong:)\b"
)
"""A text that forbids a thing as well."""

CREDENTIAL_FILES = (
    r"\.ssh(?:/|\\+|\b)|\bid_(?:rsa|ed25519|ecdsa|dsa)\b|\.aws[/\\]+(?:credentials|config)|\.netrc\b|\.git-credentials|\.npmrc\b|\.pypirc\b|"
    r"\.kube[/\\]+config|\.docker[/\\]+config\.json|\.gnupg\b|\.config[/\\]+(?:gcloud|gh)\b|application_default_credentials|/Login Data\b|cookies\.sqlite|"
    r"\bkey4\.db|\blogins\.json|\bfind-generic-password|\bdump-keychain|login\.keychain|wallet\.dat|/etc/shadow|\.claude[/\\]+\.credentials|"
    r"\.credentials\.json|\.vault-token|\.terraform\.d/credentials|Local Storage/leveldb|\.password-store|\.bash_history|\.zsh_history"
)
"""Files where people's credentials are."""

WHOLE_ENVIRONMENT = (
    r"\bprintenv\b|\$\(env\)|\benv\s*>\s*[/\w~]|\(set\)\s*\||JSON\.stringify\(\{[^}\n]{0,60}env: process\.env|dict\(os\.environ|os\.environ\.copy|json\.dumps\([^)\n]{0,20}os\.environ|str\(os\.environ|"
    r"os\.environ\.items|stringify\(\s*process\.env|process\.env\s*\)|ENV\.to_h|Get-ChildItem\s+Env:|gci env:|/proc/self/environ"
)
"""All variables of the environment at once."""

SEND = (
    r"\bcurl\b|\bwget\b|requests\.(?:post|put|get|request)|httpx\.(?:post|put|get)|\burlopen\b|\bfetch\s*\(|axios|\bnc(?:at)?\b|\bsocat\b|socket\.socket|"
    r"create_connection|\bsmtplib\b|\bsendmail\b|\bmailx?\s+-s|Invoke-(?:WebRequest|RestMethod)|\biwr\b|\birm\b|https?\.request|XMLHttpRequest|sendBeacon|\bnslookup\b|"
    r"\bdig\s|\bscp\s|\brsync\s|\bftp\s|\bgh gist create|Net::HTTP|http\.Post|HttpClient|WebClient|websocket|aiohttp|urllib3"
)
"""What takes bytes away from a machine."""

DROP_SITES = (
    r"webhook\.site|requestbin|pipedream\.net|ngrok(?:-free)?\.(?:io|app|dev)|trycloudflare\.com|loca\.lt|serveo\.net|localhost\.run|interact\.sh|"
    r"oast\.(?:fun|pro|live|site|online|me)|oastify\.com|burpcollaborator|canarytokens|transfer\.sh|file\.io|0x0\.st|termbin\.com|pastebin\.com|paste\.ee|hastebin|"
    r"dpaste|ix\.io|anonfiles|gofile\.io|discord(?:app)?\.com/api/webhooks|api\.telegram\.org/bot|bashupload|beeceptor|requestcatcher|hookbin|postb\.in|"
    r"dnslog|ceye\.io|catbox\.moe|tmpfiles\.org|temp\.sh|webhook\.cool|smee\.io|typedwebhook|mockbin|putsreq"
)
"""Places where anybody may drop anything, and pick it up without a name."""

RAW_ADDRESS = (
    r"(?:https?|ftp|wss?)://(?:\d{1,3}\.){3}\d{1,3}|https?://(?:0x[0-9a-f]{8}|\d{8,10})\b|https?://\[[0-9a-f:]{4,}\]"
)
LOCAL_ADDRESS = r"://(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|169\.254\.|255\.|1\.2\.3\.4|\[::1?\]|203\.0\.113\.|198\.51\.100\.|192\.0\.2\.|8\.8\.8\.8|1\.1\.1\.1)"

SHELL = r"(?:sudo\s+)?(?:-\w+\s+)*(?:/(?:usr/)?(?:local/)?bin/(?:env\s+)?)?(?:ba|z|da|k|fi)?sh\b"
INTERPRETER = r"(?:sudo\s+)?(?:-\w+\s+)*(?:/usr/bin/(?:env\s+)?)?(?:(?:ba|z|da|k|fi)?sh|python[23]?|node|deno|bun|perl|ruby|php|osascript|powershell|pwsh)\b"

KNOWN_INSTALLERS = (
    r"(?:astral\.sh|sh\.rustup\.rs|rustup\.rs|get\.docker\.com|raw\.githubusercontent\.com/(?:Homebrew|nvm-sh|anthropics|rvm|ohmyzsh|pyenv|helm|tj|junegunn|"
    r"golangci|aquasecurity|anchore|kubernetes-sigs|kubernetes|astral-sh|denoland|volta-cli|jdx|direnv|asdf-vm|securego|trufflesecurity|dagger|k3s-io|k3d-io|"
    r"zricethezav|gitleaks|grafana|hashicorp|modelcontextprotocol|microsoft|github|google|aws|docker)/|bun\.sh|deno\.land|get\.pnpm\.io|install\.python-poetry\.org|pdm-project\.org|"
    r"fnm\.vercel\.app|ollama\.(?:com|ai)|claude\.ai/install|get\.volta\.sh|mise\.run|mise\.jdx\.dev|brew\.sh|cli\.github\.com|deb\.nodesource\.com|rpm\.nodesource\.com|get\.k3s\.io|"
    r"fly\.io/install|install\.duckdb\.org|sdk\.cloud\.google\.com|aka\.ms|get\.helm\.sh|starship\.rs|nixos\.org/nix/install|install\.determinate\.systems|get\.sdkman\.io|"
    r"cursor\.com/install|railway\.(?:app|com)/install|foundry\.paradigm\.xyz|sh\.dagger\.io|dl\.dagger\.io|install\.meteor\.com|get\.tailwind|pkgx\.sh|tailscale\.com/install|"
    r"bootstrap\.pypa\.io|pyenv\.run|just\.systems|setup\.atuin\.sh|zed\.dev/install|taskfile\.dev|releases\.hashicorp\.com|get\.pulumi\.com|get\.opentofu\.org|"
    r"code\.claude\.com|opencode\.ai/install|install\.goreleaser\.com|docs\.astral\.sh|dotnet\.microsoft\.com|dot\.net|sentry\.io/get-cli|cli\.sentry\.dev|github\.com/anthropics|"
    r"cli\.doppler\.com|prefix\.dev|pixi\.sh|micro\.mamba\.pm|repo\.anaconda\.com|julialang\.org|getcomposer\.org|rubygems\.org|get\.rvm\.io|download\.docker\.com|"
    r"packages\.(?:microsoft|cloud\.google)\.com|apt\.releases\.hashicorp\.com|awscli\.amazonaws\.com|s3\.amazonaws\.com/session-manager|storage\.googleapis\.com/kubernetes-release|"
    r"dl\.k8s\.io|localhost|127\.0\.0\.1|raw\.githubusercontent\.com/steveyegge|solana\.com|release\.anza\.xyz|sh\.solana|install\.sh\.cloud\.langfuse|run\.linkerd\.io|fluxcd\.io|get\.helm|istio\.io|raw\.githubusercontent\.com/(?:argoproj|istio|linkerd|fluxcd|derailed|crossplane|kubernetes)|get\.rke2\.io|get\.k0s\.sh|cursor\.com|antigravity|exe\.dev|warp\.dev|amp\.sh|x\.ai/|install\.python|elan-init|raw\.githubusercontent\.com/leanprover|ghcup|get-ghcup|nextflow\.io|get\.nextflow)"
)
"""Installers of well-known tools, as their own pages tell people to run them."""
