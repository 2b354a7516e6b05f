#!/usr/bin/env bash
# Start a Slurm of four nodes on this host, with accounting, for tests.
#   tests/slurm/cluster/start.sh FOLDER      as root; needs Debian's slurm-wlm munge slurmdbd mariadb-server
# Keys, state, logs, process ids and the database lie in FOLDER. The host as a whole gets links from /etc/slurm to it
# (jobs lose SLURM_CONF, so commands must find the default place) and the nodes' names in /etc/hosts.
# Ends when all nodes are idle, or with exit code 1 and a line on what did not come up. `stop.sh FOLDER` undoes it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(mkdir -p "$1" && cd "$1" && pwd)
unset SLURM_CONF

wait_for() { # SECONDS WHAT COMMAND...: until the command succeeds; each try is bounded, since sacctmgr waits for long
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until timeout 5 "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "error: $what did not come up; see $ROOT/log" >&2; exit 1; }
        sleep 0.1
    done
}

start_munge() {
    [ -s "$ROOT/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom > "$ROOT/munge/key")
    munged --force --key-file="$ROOT/munge/key" --socket="$ROOT/munge/socket" --pid-file="$ROOT/run/munged.pid" \
        --seed-file="$ROOT/munge/seed" --log-file="$ROOT/log/munged.log"
    wait_for 10 munged sh -c "munge -n -S $ROOT/munge/socket | unmunge -S $ROOT/munge/socket"
}

write_configuration() {
    local name
    for name in slurm slurmdbd gres; do
        sed "s#@ROOT@#$ROOT#g; s#@HOST@#$(hostname -s)#g" "$HERE/$name.conf.in" > "$ROOT/etc/$name.conf"
    done
    chmod 600 "$ROOT/etc/slurmdbd.conf" # slurmdbd refuses a file that others can read
    mkdir -p /etc/slurm
    for name in slurm.conf gres.conf; do
        if [ -e "/etc/slurm/$name" ] && [ ! -L "/etc/slurm/$name" ]; then
            echo "error: this host has a Slurm of its own: /etc/slurm/$name" >&2
            exit 1
        fi
        ln -sfn "$ROOT/etc/$name" "/etc/slurm/$name"
    done
    grep -q '# slurm tests$' /etc/hosts || echo '127.0.0.1 node1 node2 node3 node4 # slurm tests' >> /etc/hosts
}

start_database() {
    local socket="$ROOT/run/mysql.sock"
    [ -d "$ROOT/mysql/mysql" ] || mariadb-install-db --no-defaults --user=root --datadir="$ROOT/mysql" \
        --auth-root-authentication-method=socket --skip-test-db > "$ROOT/log/mariadb-install.log" 2>&1
    # In a session of its own: it would die with the process group of this script.
    setsid mariadbd --no-defaults --user=root --datadir="$ROOT/mysql" --socket="$socket" \
        --pid-file="$ROOT/run/mariadbd.pid" --bind-address=127.0.0.1 --port=13306 --skip-name-resolve \
        --log-error="$ROOT/log/mariadbd.log" --innodb-buffer-pool-size=64M --innodb-log-file-size=32M \
        --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 < /dev/null > /dev/null 2>&1 &
    wait_for 30 mariadbd mariadb-admin --no-defaults -S "$socket" ping
    mariadb --no-defaults -S "$socket" << 'SQL'
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'tests';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
SQL
}

start_accounting() {
    SLURM_CONF="$ROOT/etc/slurm.conf" slurmdbd # it reads slurmdbd.conf beside that file
    wait_for 60 slurmdbd sacctmgr -n show cluster
    sacctmgr -i -Q add cluster tests > /dev/null || true
    sacctmgr -i -Q add account tests Cluster=tests Description=tests Organization=tests > /dev/null || true
    sacctmgr -i -Q add user root Account=tests DefaultAccount=tests AdminLevel=Admin > /dev/null || true
}

start_slurm() {
    slurmctld -i
    wait_for 30 slurmctld scontrol ping
    for node in node1 node2 node3 node4; do slurmd -N "$node"; done
    wait_for 60 "a node" sh -c '[ "$(sinfo -h -t idle -o %D)" = 4 ]'
}

export PATH="$PATH:/usr/sbin:/sbin"
mkdir -p "$ROOT"/{etc,munge,state,spool/node{1,2,3,4},run,log,mysql}
chmod 755 "$ROOT" "$ROOT"/*
start_munge
write_configuration
start_database
start_accounting
start_slurm
sinfo -N -o '%N %t %c %m %G'
