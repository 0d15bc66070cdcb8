# One command for everything. `just` lists them.

default:
    @just --list

# All that a change must pass, as CI runs it
ci:
    .ci/run

# Format, vet, lint
check:
    test -z "$(gofmt -l .)"
    go vet ./...
    go vet -tags crashpoint ./...
    go tool staticcheck ./...
    go mod tidy -diff

# All tests, with the race detector
test *ARGS:
    go test -race {{ARGS}} ./...

# The same tests, with the data race detector off and the long sweeps on
test-long:
    GITMIRROR_LONG=1 go test -timeout 60m ./...

# Tests of what must not race, several times over
race:
    go test -race -count=5 ./cluster/... ./fsm/... ./mirror/... ./node/...

# Frozen peers, wrong clocks, wiped, copied and damaged directories, full disks, old binaries: real processes, some minutes
attack:
    go test -race -count=1 -timeout 10m -parallel 4 ./e2e -run 'Frozen|Clock|Copied|Twins|Paused|Wiped|LastCopy|Served|Lost|Damaged|Broken|Disk|Garbage|Outvoted|RemovedWhile|Rolling|Idle|Unreachable|Fresh|ReadyWants|TakenAway|Corpus|Strangers|TwoMinds|Contrary|VeryMany|Authority'

# Bad inputs and bad upstreams, a line for each: ok, FAIL, or -- and why it is not run here. With GITMIRROR_LONG=1 all
corpus:
    #!/usr/bin/env bash
    set -o pipefail
    go test -race -count=1 -timeout 15m -v ./e2e -run '^TestCorpus$' | grep -E '^(ok|FAIL|--) |_test\.go:|^(PASS|panic)'

# The lines of README and docs/operations.md, typed on hosts that are network namespaces: needs root, and says so
hosts:
    GITMIRROR_NAMESPACES=1 go test -race -count=1 -timeout 10m -v ./e2e -run '^TestHosts$'

# Whole nodes in simulated worlds with random faults, for as long as FOR says: an hour of theirs takes half a minute or less.
# A history in which something does not hold is shrunk, and printed; its journal goes to /tmp
world FOR="5m" *ARGS:
    go test -count=1 -timeout 0 -v ./internal/world -run WhateverHappens -world.for {{FOR}} -world.journal /tmp {{ARGS}}

# Faults that are put into the product, one at a time, and looked for in worlds for three minutes each
world-faults NAMES="all":
    go test -count=1 -timeout 0 -v ./internal/world -run AreFound -world.journal /tmp -world.times 2 -world.plant "{{NAMES}}"

# An upstream in the hands of a vandal, against three nodes whose owners are killed: SCRIPTS scripts that are written from as
# many seeds, of STEPS steps each. Some forty seconds a script
vandal SCRIPTS="10" STEPS="20" *ARGS:
    go test -race -count=1 -timeout 0 -v ./e2e -run '^TestAVandal$' -vandal.seed "${SEED:-$(date +%s)}" -vandal.scripts {{SCRIPTS}} -vandal.steps {{STEPS}} {{ARGS}}

# Power that is cut on the disks of one node, and of three at once, CUTS times each: loop devices, so that it takes root, and says
# so. Beside it, a node that makes nothing durable has to lose something
powercut CUTS="20" *ARGS:
    GITMIRROR_LOOPS=1 go test -race -count=1 -timeout 60m -v ./e2e -run '^TestPowerCuts$' -powercut.seed "${SEED:-$(date +%s)}" -powercut.cuts {{CUTS}} {{ARGS}}
    GITMIRROR_LOOPS=1 go test -race -count=1 -timeout 60m -v ./e2e -run '^TestPowerCuts$' -powercut.seed "${SEED:-$(date +%s)}" -powercut.cuts {{CUTS}} -powercut.nodes 3 {{ARGS}}

# Three nodes, sample upstreams, a killed leader
demo *ARGS:
    go run . demo {{ARGS}}

# Three nodes that stay, to try things by hand
cluster:
    go run . demo --keep

# Failover, and the cost of checks that find nothing, beside git fetch
bench *ARGS:
    go run ./internal/bench {{ARGS}}

# How late changes are noticed: the scheduler driven through a trace of them (lines of repo,unix seconds), beside what others do
sim-schedule *ARGS:
    go run ./internal/simschedule {{ARGS}}

# The same foretold and seen: real repositories that are pushed to as a trace says, mirrored on a clock that is 200 times as fast
agree TRACES *ARGS:
    go run ./internal/simschedule --traces {{TRACES}} --real 20 {{ARGS}}

# Benchmarks of the table, what follows it, and the planner; docs/benchmarks.md has figures
bench-table:
    go test -run '^$' -bench . -benchtime 20x ./agent ./server
    go test -run '^$' -bench . -benchtime 1x -timeout 60m ./fsm ./ring

# How long the import of 100,000 repositories takes
bench-import *ARGS:
    go run ./internal/bench -only import {{ARGS}}

# What the keeping of copies costs and brings. -only packs, clone, first, idle, start or upkeep has one figure; -repo PATH is a real
# bare repository in place of one of -size MiB that is made
bench-mirror *ARGS:
    go run ./internal/bench -only mirror {{ARGS}}

# Twenty repositories that are pushed to once a second, forced at times, on three nodes of which one is killed and comes back
soak FOR="20m" *ARGS:
    go test -race -count=1 -timeout 0 -v ./e2e -run '^TestSoak$' -soak.for {{FOR}} -soak.repos 20 {{ARGS}}

# An index of ENTRIES repositories that is edited EDITS times in all the ways that people have, while who reads it is killed
index ENTRIES="2000" EDITS="50" *ARGS:
    go test -count=1 -timeout 0 -v ./e2e -run '^TestAnIndexIsEdited$' -index.entries {{ENTRIES}} -index.edits {{EDITS}} -index.seed "${SEED:-$(date +%s)}" {{ARGS}}

# A real Gitea, VERSION of its module: it is built (some minutes, a C compiler), and an organisation of REPOS repositories there
# is followed. It runs as nobody where we are root
forge REPOS="300" VERSION="v1.25.2" *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    module=$(go mod download -json code.gitea.io/gitea@{{VERSION}} | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')
    cp -r "$module" "$dir/gitea"
    chmod -R u+w,a+rX "$dir"
    (cd "$dir/gitea" && CGO_ENABLED=1 GOFLAGS=-mod=mod go build -tags 'sqlite sqlite_unlock_notify' -o "$dir/program" .)
    go test -race -tags gitea -count=1 -timeout 30m -v ./e2e -run '^TestAGitea$' -gitea "$dir/program" -gitea.root "$dir/gitea" -gitea.repos {{REPOS}} {{ARGS}}

# The static binary
build:
    CGO_ENABLED=0 go build -trimpath -o gitmirror .

# Regenerate what protoc makes (needs protobuf-compiler)
proto:
    GOBIN="$PWD/bin" go install google.golang.org/protobuf/cmd/protoc-gen-go
    PATH="$PWD/bin:$PATH" protoc -I fsm/command --go_out=fsm/command --go_opt=paths=source_relative command.proto
    PATH="$PWD/bin:$PATH" protoc -I fsm/snapshot -I fsm/command --go_out=fsm/snapshot --go_opt=paths=source_relative snapshot.proto

fmt:
    gofmt -w .
