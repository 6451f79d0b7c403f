#!/bin/sh
# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Sets up what dockerd 28 does for `docker run --publish 8080:80`, where Docker cannot run: a network br-test with one
# container in it (a network namespace with a web server), and Docker's own rules, IPv4 and IPv6.
#
# usage: docker_by_hand.sh start | restart | stop
# restart does the same as `systemctl restart docker`: Docker's rules are removed and added again, DOCKER-USER is kept.
set -eu
BRIDGE=br-test
PORT=8080

network() {
  ip link add $BRIDGE type bridge
  ip address add 172.18.0.1/16 dev $BRIDGE
  ip address add fd00:18::1/64 dev $BRIDGE nodad
  ip link set $BRIDGE up
  ip netns add container
  ip link add veth-test type veth peer name eth0 netns container
  ip link set veth-test master $BRIDGE up
  ip -n container address add 172.18.0.2/16 dev eth0
  ip -n container address add fd00:18::2/64 dev eth0 nodad
  ip -n container link set eth0 up
  ip -n container link set lo up
  ip -n container route add default via 172.18.0.1
  ip -n container -6 route add default via fd00:18::1
  mount -o remount,rw /proc/sys # the lab's own container has it read-only
  echo 1 >/proc/sys/net/ipv4/ip_forward
  echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
  systemd-run --quiet --unit=test-container ip netns exec container python3 -m http.server 80 --bind ::
}

rules() { # table command, container's address, its network, DNAT target
  $1 -P FORWARD DROP
  for chain in DOCKER DOCKER-BRIDGE DOCKER-CT DOCKER-FORWARD DOCKER-USER; do
    $1 -n -L $chain >/dev/null 2>&1 || $1 -N $chain
  done
  $1 -A DOCKER -d "$2" ! -i $BRIDGE -o $BRIDGE -p tcp --dport 80 -j ACCEPT
  $1 -A DOCKER ! -i $BRIDGE -o $BRIDGE -j DROP
  $1 -A DOCKER-BRIDGE -o $BRIDGE -j DOCKER
  $1 -A DOCKER-CT -o $BRIDGE -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  $1 -A DOCKER-FORWARD -j DOCKER-CT
  $1 -A DOCKER-FORWARD -j DOCKER-BRIDGE
  $1 -A DOCKER-FORWARD -i $BRIDGE -j ACCEPT
  $1 -I FORWARD -j DOCKER-FORWARD
  $1 -I FORWARD -j DOCKER-USER
  $1 -t nat -n -L DOCKER >/dev/null 2>&1 || $1 -t nat -N DOCKER
  $1 -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
  $1 -t nat -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
  $1 -t nat -A POSTROUTING -s "$3" ! -o $BRIDGE -j MASQUERADE
  $1 -t nat -A DOCKER ! -i $BRIDGE -p tcp --dport $PORT -j DNAT --to-destination "$4"
}

no_rules() {
  $1 -D FORWARD -j DOCKER-USER
  $1 -D FORWARD -j DOCKER-FORWARD
  for chain in DOCKER DOCKER-BRIDGE DOCKER-CT DOCKER-FORWARD; do $1 -F $chain; done
  for chain in DOCKER-FORWARD DOCKER-BRIDGE DOCKER-CT DOCKER; do $1 -X $chain; done
  $1 -t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
  $1 -t nat -D OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
  $1 -t nat -D POSTROUTING -s "$2" ! -o $BRIDGE -j MASQUERADE
  $1 -t nat -F DOCKER
  $1 -t nat -X DOCKER
}

all_rules() {
  rules iptables 172.18.0.2/32 172.18.0.0/16 172.18.0.2:80
  rules ip6tables fd00:18::2/128 fd00:18::/64 '[fd00:18::2]:80'
}

none_of_the_rules() {
  no_rules iptables 172.18.0.0/16
  no_rules ip6tables fd00:18::/64
}

case $1 in
start)
  network
  all_rules
  ;;
restart)
  none_of_the_rules
  all_rules
  ;;
stop)
  none_of_the_rules
  systemctl stop test-container
  ip netns delete container
  ip link delete $BRIDGE
  ;;
esac
