#!/bin/sh
# Installs what `make run` needs (with --tests: what `make test` needs too), and only what is missing:
# Debian packages, the Python environment .venv/, Kafka's jars in .parts/kafka/, the page's scripts.
# Says first what that is and how large. A stamp makes the next call quick. Without AMQP or CoAP among SOURCES (all,
# unless told) RabbitMQ or DTLSSocket is left out.
set -eu
cd "$(dirname "$0")/../.."

tests=no
[ "${1:-}" = --tests ] && tests=yes
python=${PYTHON:-python3}
lock=requirements.lock size="1.4 GB on disk, 410 MB to fetch"
[ $tests = yes ] && lock=requirements-dev.lock size="1.9 GB on disk"
page=flexmeter/page
examples=examples/subscribers
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1

has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
say() { printf '%s\n' "$*" >&2; }
die() { say "install: $1"; shift; for line in "$@"; do say "  $line"; done; exit 1; }

# --- already done? ---------------------------------------------------------------------------------------------------
inputs="flexmeter/local/install.sh requirements.lock requirements-dev.lock pyproject.toml flexmeter/local/kafka/pom.xml
$page/package-lock.json $examples/package-lock.json"
stamp=.parts/installed-$tests
now=$(pwd; cat $inputs | cksum)
programs="java mosquitto"
topology=${FLEXMETER_TOPOLOGY:-topology.yaml}
uses() {  # protocol
    case ",${SOURCES:-all}," in *,all,* | *",$1,"*) ;; *) return 1 ;; esac
    grep -Eq "^ *protocol: *$1" "$topology" 2>/dev/null
}
dtls=$(grep '^DTLSSocket==' requirements-dev.lock)
has_dtls() { .venv/bin/python -c "from importlib.metadata import version as v; assert v('DTLSSocket') == '${dtls#*==}'" 2>/dev/null; }
uses amqp && programs="$programs rabbitmq-server"
[ $tests = yes ] && programs="$programs clickhouse-server chromium mosquitto_pub rabbitmq-server amqp-publish curl coap-client-openssl kcat jq"
complete() {
    for program in $programs; do has "$program" || return 1; done
    ! uses coap || has_dtls || return 1
    [ -x .venv/bin/python ] && [ -d .parts/kafka ] && [ -f $stamp ] && [ "$(cat $stamp)" = "$now" ]
}
complete && exit 0

# --- what is missing -------------------------------------------------------------------------------------------------
packages=
needs() { has "$1" || packages="$packages $2"; }  # program, Debian package
.venv/bin/python -c '' 2>/dev/null && cat requirements.lock $lock pyproject.toml | cmp -s - .venv/$lock || pypi=yes
needs java openjdk-17-jre-headless
needs mosquitto mosquitto
uses amqp && needs rabbitmq-server rabbitmq-server
[ -d .parts/kafka ] && cmp -s flexmeter/local/kafka/pom.xml .parts/kafka.pom || { needs mvn maven; jars=yes; }
has_scripts() { [ -d $page/node_modules/uplot ] && { [ $tests = no ] || [ -d $page/node_modules/axe-core ]; }; }
has_scripts && cmp -s $page/package-lock.json .parts/page.lock || { needs npm npm; scripts=yes; }
if [ $tests = yes ]; then
    needs clickhouse-server clickhouse-server
    needs chromium chromium
    needs mosquitto_pub mosquitto-clients
    uses amqp || needs rabbitmq-server rabbitmq-server
    needs amqp-publish amqp-tools
    needs curl curl
    needs coap-client-openssl libcoap3-bin
    needs kcat kcat
    needs jq jq
    has go && ! has kustomize && [ ! -x .parts/bin/kustomize ] && builds=yes
    [ -d $examples/node_modules ] && cmp -s $examples/package-lock.json .parts/examples.lock || { needs npm npm; subscriber=yes; }
fi
if { [ $tests = yes ] || uses coap; } && ! has_dtls; then  # DTLSSocket is compiled
    compiles=yes
    for tool in gcc make autoconf automake m4 pkg-config; do needs $tool $tool; done
    needs libtoolize libtool
fi
if has "$python"; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$python is $("$python" --version), but 3.11 or later is needed" "name another: PYTHON=python3.12 make ..."
    "$python" -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
    headers='import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
    [ -z "${compiles:-}" ] || "$python" -c "$headers" || packages="$packages python3-dev"
else
    packages="$packages python3-venv"
fi

if [ -z "$packages${pypi:-}${compiles:-}${jars:-}${scripts:-}${subscriber:-}${builds:-}" ]; then
    printf '%s\n' "$now" >$stamp
    exit 0
fi
say "To be installed (only what is missing):"
[ -n "$packages" ] && say "  Debian packages:$packages (apt-get tells their size below)"
[ "${pypi:-}" ] && say "  .venv/          Python packages of $lock, about $size"
[ "${compiles:-}" ] && say "                  $dtls, for CoAP, is compiled: half a minute; its tools are 7 MB beside gcc"
[ "${jars:-}" ] && say "  .parts/kafka/   Kafka's jars, 44 MB"
[ "${scripts:-}" ] && say "  $page/node_modules/   the page's scripts, a few MB"
[ "${subscriber:-}" ] && say "  $examples/node_modules/   those of the example of a subscriber, 3 MB"
[ "${builds:-}" ] && say "  .parts/bin/     kustomize, which the tests compare k8s/ with: built by Go, a minute"

# --- Debian packages, without starting their daemons -----------------------------------------------------------------
quiet=-qq
[ -t 2 ] && quiet=
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o DPkg::Lock::Timeout=120 "$@"; }
sizes() { LC_ALL=C apt-get install --no-install-recommends --simulate -V $packages >/dev/null 2>&1 &&
          LC_ALL=C apt-get install --no-install-recommends --assume-no $packages 2>/dev/null |
              grep -E '^(Need to get|After this)' >&2; }
policy=/usr/sbin/policy-rc.d
if [ -n "$packages" ]; then
    by_hand="apt-get install --no-install-recommends$packages"
    has apt-get || die "this is no Debian; install by its own means what these packages hold:$packages"
    [ "$(id -u)" = 0 ] || has sudo || die "needs root to install Debian packages; as root:" "$by_hand"
    sizes || { say "Debian's package lists are fetched ..."; apt -qq update || die "apt-get update failed; try it by hand"; sizes || true; }
    if [ ! -e $policy ]; then
        trap 'as_root rm -f $policy' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    apt $quiet -y install --no-install-recommends $packages >&2 ||
        { apt -qq update && apt $quiet -y install --no-install-recommends $packages >&2; } ||
        die "apt-get failed (see above); when mended, run this again, or by hand as root:" "$by_hand"
    [ -x /usr/sbin/policy-rc.d ] && [ -d /run/systemd/system ] &&
        say "Not started now; Debian starts brokers at the next boot unless: systemctl disable mosquitto rabbitmq-server"
fi

# --- Python ----------------------------------------------------------------------------------------------------------
.venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; "$python" -m venv .venv ||
    die "$python cannot make .venv/" "apt-get install python3-venv, or name another: PYTHON=python3.12"; }
pip() { env -u PIP_USER -u PIP_TARGET .venv/bin/python -m pip --disable-pip-version-check --no-input install $quiet "$@" >&2; }
if [ "${pypi:-}" ]; then
    say "Python packages ..."
    pip -r $lock || die "pip failed (see above)" "is the package index reachable? then run this again; what is there is kept"
    pip --no-deps --no-build-isolation -e . || die "pip cannot install the project itself (see above)"
    say "The inner loops are compiled; half a minute ..."
    .venv/bin/python -m streams.warm_up || die "they cannot be compiled (see above)"
    cat requirements.lock $lock pyproject.toml >.venv/$lock
fi
if [ "${compiles:-}" ] && [ $tests = no ]; then
    pip "$dtls" || die "pip cannot build $dtls (see above)" "without CoAP: SOURCES=mqtt,http,amqp make run"
fi

# --- Kafka's jars ----------------------------------------------------------------------------------------------------
mkdir -p .parts
if [ "${jars:-}" ]; then
    say "Kafka's jars ..."
    rm -rf .parts/kafka .parts/kafka.new
    mvn -B -q -f flexmeter/local/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$PWD/.parts/kafka.new" >&2 ||
        die "Maven failed (see above)" "is its repository reachable? then run this again"
    mv .parts/kafka.new .parts/kafka
    cp flexmeter/local/kafka/pom.xml .parts/kafka.pom
fi

# --- the page's scripts, and those of the example of a subscriber ------------------------------------------------------
kinds=--omit=dev
[ $tests = yes ] && kinds=--include=dev
scripts_of() {
    (cd "$1" && env -u NODE_ENV npm ci $kinds --no-audit --no-fund --loglevel=error >&2) ||
        die "npm failed (see above)" "is its registry reachable? then run this again"
    cp "$1/package-lock.json" "$2"
}
if [ "${scripts:-}" ]; then say "The page's scripts ..."; scripts_of $page .parts/page.lock; fi
if [ "${subscriber:-}" ]; then say "The example's scripts ..."; scripts_of $examples .parts/examples.lock; fi

if [ "${builds:-}" ]; then
    say "kustomize ..."
    GOBIN=$PWD/.parts/bin go install $kustomize 2>&1 | grep -v ': downloading' >&2 || true
    [ -x .parts/bin/kustomize ] || say "kustomize could not be built: the tests that ask it are skipped"
fi

printf '%s\n' "$now" >$stamp
say "Installed."
