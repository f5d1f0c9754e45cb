#!/usr/bin/env bash
# A Slurm of one node on this machine, for the tests: Debian or its kin, as root, no systemd needed.
#
#   slurm.sh up [--accounting]   install what is missing, start it, wait until the node takes jobs
#   slurm.sh down                cancel the jobs and stop the daemons that `up` started
#
# --accounting adds MariaDB and slurmdbd, and refuses accounts other than `research`. State is in $SLURM_SANDBOX. The
# node has two GPUs in name only. All listen on loopback or on sockets; /etc/slurm/slurm.conf links to the sandbox while
# Slurm is up, since the jobs of Snakemake do not pass SLURM_CONF on. Packages stay installed.
# Exit status 3: this machine cannot have it, and the last line on stderr says why.
set -Eeuo pipefail

SANDBOX=${SLURM_SANDBOX:-${TMPDIR:-/tmp}/semid-slurm}
LINK=/etc/slurm/slurm.conf
POLICY=/usr/sbin/policy-rc.d
NODE=$(hostname -s)
# in the order in which they start
DAEMONS=(munged mariadbd slurmdbd slurmctld slurmd)

export SLURM_CONF=$SANDBOX/slurm.conf
# of MariaDB, for its clients: slurmdbd is one
export MYSQL_UNIX_PORT=$SANDBOX/mariadb/socket

cannot() {
    echo "no Slurm for the tests: $1" >&2
    exit 3
}

check_machine() {
    [[ $(id -u) == 0 ]] || cannot "it needs root"
    command -v apt-get >/dev/null || cannot "its packages come by apt-get, which is not here"
    if [[ (-e $LINK || -L $LINK) && $(readlink "$LINK") != "$SLURM_CONF" ]]; then
        cannot "$LINK exists, and may be that of a real cluster"
    fi
}

install_packages() { # NAME...
    local missing=() package
    for package; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    # packages start their daemons when they are installed, unless this says no
    local policy=
    if [[ ! -e $POLICY ]]; then
        policy=$POLICY
        printf '#!/bin/sh\nexit 101\n' >"$POLICY"
        chmod +x "$POLICY"
    fi
    local status=0
    {
        DEBIAN_FRONTEND=noninteractive apt-get update &&
            DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
    } >"$SANDBOX/log/apt.log" 2>&1 </dev/null || status=$?
    [[ -z $policy ]] || rm "$policy"
    ((status == 0)) || cannot "apt-get could not install ${missing[*]}: $(tail -n 1 "$SANDBOX/log/apt.log")"
}

start() { # NAME ARGUMENT...: a daemon that stays in the foreground
    local name=$1
    setsid "$@" >"$SANDBOX/log/$name.out" 2>&1 </dev/null &
    echo $! >"$SANDBOX/run/$name"
}

is_running() { # NAME: whether the daemon that was started under that name is alive
    [[ -f $SANDBOX/run/$1 && $(cat "/proc/$(<"$SANDBOX/run/$1")/comm" 2>/dev/null) == "$1" ]]
}

wait_until() { # SECONDS WHAT COMMAND...
    local seconds=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            tail -n 20 "$SANDBOX"/log/* >&2
            echo "$what: not in $seconds s" >&2
            return 1
        fi
        sleep 0.2
    done
}

write_configuration() { # STORAGE
    cat >"$SLURM_CONF" <<END
ClusterName=sandbox
SlurmctldHost=$NODE(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthInfo=socket=$SANDBOX/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$SANDBOX/state
SlurmdSpoolDir=$SANDBOX/spool
SlurmctldPidFile=$SANDBOX/slurmctld.pid
SlurmdPidFile=$SANDBOX/slurmd.pid
SlurmctldLogFile=$SANDBOX/log/slurmctld.log
SlurmdLogFile=$SANDBOX/log/slurmd.log
# what works in a container: no cgroups, no binding to cores
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# without cgroups: looks every second, and kills who has more memory than asked for
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=2
MinJobAge=300
AccountingStorageType=$1
GresTypes=gpu
# two jobs at once and room for their memory, whatever the machine has
SlurmdParameters=config_overrides
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=2 RealMemory=32000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$NODE Default=YES MaxTime=INFINITE State=UP
END
    # a file stands for each; without cgroups nobody opens it
    printf 'NodeName=%s Name=gpu File=%s\n' "$NODE" /dev/null "$NODE" /dev/zero >"$SANDBOX/gres.conf"
    # from 24.05 on slurmd wants to be told to do without them
    local version
    version=$(slurmd -V)
    version=${version##* }
    ((${version%%.*} < 24)) || echo "CgroupPlugin=disabled" >"$SANDBOX/cgroup.conf"
}

start_munge() {
    mungekey --create --force --keyfile="$SANDBOX/munge.key"
    start munged --foreground --key-file="$SANDBOX/munge.key" --socket="$SANDBOX/munge.socket" \
        --pid-file="$SANDBOX/munged.pid" --log-file="$SANDBOX/log/munged.log" --seed-file="$SANDBOX/munge.seed"
    wait_until 20 munged munge --no-input --socket="$SANDBOX/munge.socket"
}

start_accounting() {
    local data=$SANDBOX/mariadb
    install --directory --owner=mysql --group=mysql "$data"
    mariadb-install-db --no-defaults --user=mysql --datadir="$data" --skip-test-db \
        >"$SANDBOX/log/mariadb-install.log" 2>&1
    start mariadbd --no-defaults --user=mysql --datadir="$data" --skip-networking --socket="$MYSQL_UNIX_PORT" \
        --pid-file="$data/pid" --innodb-buffer-pool-size=64M
    wait_until 60 mariadbd mariadb-admin --no-defaults ping
    (
        umask 077 # slurmdbd reads nothing that others may
        cat >"$SANDBOX/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$SANDBOX/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
CommunicationParameters=NoInAddrAny
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
LogFile=$SANDBOX/log/slurmdbd.log
PidFile=$SANDBOX/slurmdbd.pid
END
    )
    start slurmdbd -D
    wait_until 60 slurmdbd sacctmgr --noheader list cluster
    sacctmgr --immediate add cluster sandbox
    sacctmgr --immediate add account research description=research organization=research
    sacctmgr --immediate add user "$(id -un)" account=research
} >>"$SANDBOX/log/accounting.log"

up() {
    check_machine
    # a second `up` begins anew
    stop
    rm -rf "$SANDBOX"
    mkdir -p "$SANDBOX"/{log,run,state,spool}
    trap 'stop' ERR
    install_packages munge slurmctld slurmd slurm-client
    if [[ ${1:-} == --accounting ]]; then
        install_packages slurmdbd mariadb-server
        write_configuration accounting_storage/slurmdbd
        cat >>"$SLURM_CONF" <<END
AccountingStorageHost=127.0.0.1
AccountingStoragePass=$SANDBOX/munge.socket
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment
END
    else
        write_configuration accounting_storage/none
    fi
    mkdir -p "${LINK%/*}"
    ln --symbolic --force --no-dereference "$SLURM_CONF" "$LINK"
    start_munge
    [[ ${1:-} != --accounting ]] || start_accounting
    start slurmctld -D
    wait_until 30 slurmctld scontrol ping
    start slurmd -D
    wait_until 30 "node $NODE" eval '[[ $(sinfo --noheader --format=%T) == idle ]]'
}

stop() {
    if is_running slurmctld; then
        scancel --user="$(id -un)" || true
        wait_until 20 "end of the jobs" eval '[[ -z $(squeue --noheader) ]]' || true
    fi
    local place name pid
    for ((place = ${#DAEMONS[@]} - 1; place >= 0; place--)); do
        name=${DAEMONS[place]}
        if is_running "$name"; then
            pid=$(<"$SANDBOX/run/$name")
            kill "$pid"
            wait_until 30 "end of $name" eval "! kill -0 $pid" || kill -KILL "$pid"
        fi
        rm -f "$SANDBOX/run/$name"
    done
    [[ $(readlink "$LINK") != "$SLURM_CONF" ]] || rm "$LINK"
    # the logs stay
    rm -rf "$SANDBOX"/{mariadb,state,spool}
}

case "${1:-} ${2:-}" in
    "up " | "up --accounting") up "${2:-}" ;;
    "down ") stop ;;
    *)
        sed -n '2,12s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
