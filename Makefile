# Sanad. `make help` lists what can be made; `make deps demo` is the shortest way in.

SWIFT ?= swift
PACKAGES = libsqlite3-dev libssl-dev liblz4-dev pkg-config gzip
# What the tests want beside: the real etcd.
TEST_PACKAGES = etcd-server
SOURCES = Package.swift Sources Tests
# Where there is a lock file it decides the versions, and a build never chooses others by itself. A
# fresh clone has none: its first build takes the newest versions that Package.swift allows, and
# writes the file.
LOCKED = $(if $(wildcard Package.resolved),--force-resolved-versions)

# Installs those of the named Debian packages that are missing, as root or through sudo.
install = @missing=; for package in $(1); do \
	  case $$(dpkg-query -W -f '$${Status}' $$package 2>/dev/null) in \
	  *' installed') ;; *) missing="$$missing $$package" ;; esac; done; \
	[ -z "$$missing" ] || { echo "installing$$missing"; \
	  root=$$([ "$$(id -u)" -eq 0 ] || echo sudo); \
	  $$root apt-get update -q && $$root env DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -q --no-install-recommends $$missing; }

.DEFAULT_GOAL := help
.PHONY: help deps test-deps swift build release test demo demo-quick people check sim-smoke sim planted \
	model model-bugs bench-failover bench bench-peers lint format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## install the system's packages that are missing; say how to get Swift
	$(call install,$(PACKAGES))
	@$(MAKE) --no-print-directory swift

test-deps: # the packages of the tests
	$(call install,$(TEST_PACKAGES))

swift:
	@command -v $(SWIFT) >/dev/null || { printf '%s\n' \
	  'There is no swift in PATH. Install Swift 6.3 or later: https://www.swift.org/install/linux/' \
	  'On Debian 12, unpack its archive to /opt/swift, then: export PATH=/opt/swift/usr/bin:$$PATH' \
	  >&2; exit 1; }

build: swift ## build everything for debugging; warnings are errors
	$(SWIFT) build $(LOCKED) --build-tests

release: swift ## build sanadd, sanadctl and sanad-bench as they are shipped
	$(SWIFT) build $(LOCKED) -c release

# One after the other: many of them run daemons and wait for what these do, and two cores are few.
test: deps test-deps ## run all tests
	$(SWIFT) test $(LOCKED) --no-parallel

demo: deps release ## lose a data center: census, kill -9, promotion, return, switchover home
	deploy/demo/demo.sh

demo-quick: deps release ## the same with a shorter load
	deploy/demo/demo.sh --quick

# The stream is not in the repository; the digest is that of the records that it makes.
EXPECT ?= eee5a7fbce9180ab507b4bf6a43f1647d47e67db29f2114709b13e0566228a91
people: deps release ## fail over in the middle of a large stream: DATA=path/people.ndjson.gz
	deploy/demo/people.sh --data '$(DATA)' --expect '$(EXPECT)'

# In order, also under make -j: the tests and the demo measure time on the same two cores.
check: ## all that a change has to pass: lint, build, tests, simulation, demo
	@for step in deps lint build test sim-smoke demo-quick; do \
	  $(MAKE) --no-print-directory $$step || exit 1; done

sim-smoke: release ## 900 simulated worlds: half a minute
	.build/release/sanad-sim run --seeds 900 --jobs 2

sim: release ## 100,000 simulated worlds: every fault at once, every promise checked
	.build/release/sanad-sim run --seeds 100000

planted: swift ## take each rule of failover out in turn; the simulator must notice
	deploy/sim/planted.sh

model: ## check the rules of failover exhaustively with Spin; make model-bugs plants bugs in them
	$(call install,spin gcc libc6-dev)
	docs/model/check.sh

model-bugs: ## the model's own planted bugs: each must be found
	$(call install,spin gcc libc6-dev)
	docs/model/check.sh bugs

bench-failover: release test-deps ## fail daemons over 20 times each way; rejoin, reseed; BENCH=--skip-large
	.build/release/sanad-bench failover $(BENCH)

bench: release ## measure both daemons, in turns with PostgreSQL if it is installed; BENCH=--quick
	.build/release/sanad-bench run $(BENCH)

bench-peers: ## install PostgreSQL 15, which make bench compares with
	$(call install,postgresql-15 openssl)

lint: swift ## check the layout of the sources
	$(SWIFT) format lint --strict --recursive --parallel $(SOURCES)

format: swift ## lay the sources out
	$(SWIFT) format format --in-place --recursive --parallel $(SOURCES)

clean: ## remove what was built
	$(SWIFT) package clean
