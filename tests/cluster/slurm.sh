#!/usr/bin/env bash
# A SLURM of one node on this machine, beside any that runs here: its own key, ports, files and processes.
#
#   tests/cluster/slurm.sh start FOLDER     makes FOLDER, which must not be there; then
#   SLURM_CONF=FOLDER/slurm.conf sinfo      and sbatch, squeue, submitit, ... use it
#   tests/cluster/slurm.sh stop FOLDER      ends what start began, and removes FOLDER
#
# It needs munged, slurmctld, slurmd and srun (Debian: munge, slurmctld, slurmd, slurm-client) and installs nothing.
# Root starts munged as the user munge; anybody else starts everything as himself.
set -euo pipefail
umask 022

usage() {
  echo "usage: tests/cluster/slurm.sh start|stop FOLDER" >&2
  exit 2
}

fail() {
  echo "slurm.sh: $1" >&2
  tail -n 5 "$folder"/log/* >&2 || true
  stop
  exit 1
}

wait_until() { # WHAT COMMAND...: up to 20 seconds
  local what=$1
  shift
  for _ in $(seq 200); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "$what did not come up"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

write_configuration() {
  # Memory is what slurmd finds: a job that asks for more is refused when it is submitted.
  local host
  host=$(hostname -s)
  cat > "$folder/slurm.conf" << CONF
ClusterName=ncfjax
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MinJobAge=10
InactiveLimit=0
NodeName=$host NodeAddr=127.0.0.1 $(slurmd -C | grep -o 'CPUs=[0-9]*\|RealMemory=[0-9]*' | tr '\n' ' ') State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  for program in munged slurmctld slurmd srun; do
    if ! command -v "$program" > /dev/null; then
      echo "slurm.sh: $program is not installed" >&2
      exit 1
    fi
  done
  mkdir "$folder" "$folder"/{munge,log,state,spool}
  dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 status=none
  chmod 400 "$folder/munge/key"
  local as=()
  if [ "$(id -u)" = 0 ]; then
    chown -R munge "$folder/munge"
    as=(setpriv --reuid=munge --regid="$(id -g munge)" --clear-groups)
  fi
  "${as[@]}" munged --socket="$folder/munge/socket" --key-file="$folder/munge/key" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" || fail "munged did not start"
  write_configuration
  export SLURM_CONF=$folder/slurm.conf
  slurmctld || fail "slurmctld did not start"
  wait_until slurmctld scontrol ping
  slurmd || fail "slurmd did not start"
  wait_until slurmd sh -c 'sinfo --noheader --format=%T | grep -x idle'
}

stop() {
  # Jobs first: they are no children of slurmd.
  SLURM_CONF=$folder/slurm.conf timeout 10 scancel --quiet --user="$(id -un)" > /dev/null 2>&1 || true
  local file pid
  for file in slurmd.pid slurmctld.pid munge/pid; do
    pid=$(cat "$folder/$file" 2> /dev/null) || continue
    kill "$pid" 2> /dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
  done
  rm -rf "$folder"
}

[ $# = 2 ] || usage
folder=$(realpath --canonicalize-missing "$2")
case $1 in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
