# Two commands set everything up on a fresh machine: `make run` and `make test`.

CARGO ?= cargo
# Where the gateway of `make run` keeps its things.
DATA ?= data
LISTEN ?= 127.0.0.1:7717

# Where the real agents are that tests try.
AGENTS ?= $(abspath $(or $(CARGO_TARGET_DIR),target))/agents
# Pinned, so that a new version of theirs does not break a change of ours.
AGENT_PACKAGES := @zed-industries/codex-acp@0.16.0 @agentclientprotocol/claude-agent-acp@0.100.0 @agentclientprotocol/sdk@2.4.0
# Half a gigabyte more, and slow to start.
MORE_AGENT_PACKAGES := opencode-ai@1.18.33 @qwen-code/qwen-code@0.24.4
HAPPY_PACKAGES := happy@1.2.5 happy-coder@0.13.0 socket.io-client@4.8.4

.PHONY: run test check bench deny docs agents agents-more

## Builds the gateway and starts it with the embedded defaults; prints where it is, and on its first start the key.
run:
	$(CARGO) build --release -p rejoin-cli
	"$${CARGO_TARGET_DIR:-target}/release/rejoin" serve --data "$(DATA)" --listen "$(LISTEN)"

## Everything that must pass before a change is pushed.
test: check agents
	REJOIN_TEST_AGENTS="$(AGENTS)" $(CARGO) test --workspace --locked
	@if command -v cargo-deny >/dev/null 2>&1; then $(MAKE) --no-print-directory deny; \
	else echo "SKIPPED: cargo-deny is not installed, so licences and sources were not checked (cargo install cargo-deny --locked)"; fi

## Installs real agents, the library that editors use, and Happy's own clients, where there is npm and a registry; their stories are
## skipped otherwise.
agents:
	@$(call install,$(AGENTS),installed,$(AGENT_PACKAGES))
	@$(call install,$(AGENTS)/happy,installed,--omit=optional $(HAPPY_PACKAGES))
	@rm -rf "$(AGENTS)"/happy/node_modules/happy*/tools/archives # search tools for six systems, 320 MB; none is tried

## Installs agents that are larger and slower. `make test` tries them only where this was done before.
agents-more: agents
	@$(call install,$(AGENTS),installed-more,$(MORE_AGENT_PACKAGES))

# Packages into a folder, unless a note there says that they are; the name of the note.
install = mkdir -p "$(1)"; \
	if [ "$$(cat "$(1)/$(2)" 2>/dev/null)" = "$(3)" ]; then exit 0; fi; \
	if command -v npm >/dev/null 2>&1 && \
		timeout 600 npm install --prefix "$(1)" --ignore-scripts --no-audit --no-fund --loglevel=error $(3) >/dev/null; \
	then echo "$(3)" > "$(1)/$(2)"; \
	else echo "SKIPPED: real programs could not be installed (npm install $(3)), so they are not tried"; fi

## Quick, while typing: formatting, lints, the arrows between crates, unit tests.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --workspace --locked --lib --test architecture

## Licences, duplicates and sources of what we depend on. Advisories need a network that not every machine has.
deny:
	$(CARGO) deny check licenses bans sources

## Measures this machine; what the figures mean is in docs/performance.md.
bench:
	$(CARGO) build --release -p rejoin-cli
	"$${CARGO_TARGET_DIR:-target}/release/rejoin" bench all
