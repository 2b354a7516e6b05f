#!/usr/bin/env bash
# Stop what `start.sh FOLDER` started, the newest first, by its process ids, and undo what it did to the host.
#   tests/slurm/cluster/stop.sh FOLDER       as root; the folder stays, its logs too
set -uo pipefail
ROOT=$(cd "$1" && pwd)

stop() { # NAME: end the process of run/NAME.pid, by force after 10 seconds
    local file="$ROOT/run/$1.pid" process
    [ -s "$file" ] || return 0
    process=$(cat "$file")
    kill "$process" 2> /dev/null
    for _ in $(seq 100); do
        kill -0 "$process" 2> /dev/null || break
        sleep 0.1
    done
    kill -9 "$process" 2> /dev/null
    rm -f "$file"
}

timeout 10 scancel --user=root 2> /dev/null
# Jobs outlive a slurmd that is stopped; give them the time to end.
for _ in $(seq 200); do
    [ -n "$(timeout 5 squeue -h 2> /dev/null)" ] || break
    sleep 0.1
done
for name in slurmd-node1 slurmd-node2 slurmd-node3 slurmd-node4 slurmctld slurmdbd mariadbd munged; do stop "$name"; done
for name in slurm.conf gres.conf; do
    [ "$(readlink "/etc/slurm/$name")" != "$ROOT/etc/$name" ] || rm -f "/etc/slurm/$name"
done
# Rewritten in place: in a container /etc/hosts is a mount, which cannot be replaced.
others=$(grep -v '# slurm tests$' /etc/hosts) && printf '%s\n' "$others" > /etc/hosts
