# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packet filters of real hosts: shortened output of `iptables -S`."""

from __future__ import annotations

UFW = "-N ufw-user-input\n-A INPUT -j ufw-before-logging-input\n-A INPUT -j ufw-before-input\n-A INPUT -j ufw-track-input"
ORACLE = """\
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N InstanceServices
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p udp -m udp --sport 123 -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
-A OUTPUT -d 169.254.0.0/16 -j InstanceServices
-A InstanceServices -d 169.254.0.2/32 -p tcp -m owner --uid-owner 0 -m tcp --dport 3260 -j ACCEPT
"""

DECIDES = {
    "a cloud image": (
        ORACLE,
        [
            "-A INPUT -p udp -m udp --sport 123 -j ACCEPT",
            "-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
            "-A FORWARD -j REJECT --reject-with icmp-host-prohibited",
        ],
    ),
    "in a chain of one's own": (
        "-N MINE\n-N WEB\n-A INPUT -i eth0 -j MINE\n-A MINE -s 203.0.113.7/32 -j DROP\n-A MINE -p tcp -g WEB\n"
        "-A WEB -m multiport --dports 80,443 -j ACCEPT",
        ["-A WEB -m multiport --dports 80,443 -j ACCEPT"],
    ),
    "behind ufw an accept counts, a block does not": (
        f"{UFW}\n-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT\n-A INPUT -j DROP",
        ["-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT"],
    ),
    "behind a ufw that is switched off both count": (
        f"{UFW}\n-A INPUT -j DROP".replace("-N ufw-user-input\n", ""),
        ["-A INPUT -j DROP"],
    ),
    "in front of it both do": (f"-A INPUT -p udp -j DROP\n{UFW}", ["-A INPUT -p udp -j DROP"]),
    "everything of one interface": ("-A INPUT -i eth1 -j ACCEPT", ["-A INPUT -i eth1 -j ACCEPT"]),
    "everything but one interface": ("-A INPUT ! -i wg0 -j DROP", ["-A INPUT ! -i wg0 -j DROP"]),
    "all but one network": ("-A INPUT ! -s 192.168.1.0/24 -j DROP", ["-A INPUT ! -s 192.168.1.0/24 -j DROP"]),
    "half of the internet": ("-A INPUT -s 128.0.0.0/1 -j ACCEPT", ["-A INPUT -s 128.0.0.0/1 -j ACCEPT"]),
    "global addresses": ("-A INPUT -s 2000::/3 -j ACCEPT", ["-A INPUT -s 2000::/3 -j ACCEPT"]),
    "what is not established": (
        "-A INPUT -m conntrack ! --ctstate ESTABLISHED -j DROP",
        ["-A INPUT -m conntrack ! --ctstate ESTABLISHED -j DROP"],
    ),
    "new connections alone": (
        "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT",
        ["-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT"],
    ),
    "so many a minute": (
        "-A INPUT -p tcp -m tcp --dport 22 -m limit --limit 3/min -j ACCEPT",
        ["-A INPUT -p tcp -m tcp --dport 22 -m limit --limit 3/min -j ACCEPT"],
    ),
    "left to the policy": ("-A INPUT -i eth0 -j RETURN", ["-A INPUT -i eth0 -j RETURN"]),
    "left to a program": (
        "-A INPUT -j NFQUEUE --queue-num 0 --queue-bypass",
        ["-A INPUT -j NFQUEUE --queue-num 0 --queue-bypass"],
    ),
    "all sources forwarded": ("-A FORWARD -i eth0 -j ACCEPT", ["-A FORWARD -i eth0 -j ACCEPT"]),
}
PASSES = {
    "nothing": "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT",
    "policies, which ufw sets itself": "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT",
    "Docker 28": """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-BRIDGE
-N DOCKER-CT
-N DOCKER-FORWARD
-N DOCKER-ISOLATION-STAGE-1
-N DOCKER-ISOLATION-STAGE-2
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-USER -j RETURN""",
    "Docker 20, in FORWARD itself": """\
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A FORWARD -o br-0123456789ab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT""",
    "fail2ban": """\
-N f2b-sshd
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A f2b-sshd -s 203.0.113.7/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN""",
    "bans by hand": """\
-A INPUT -s 203.0.113.7/32 -j DROP
-A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset
-A INPUT -m set --match-set blocklist src -j DROP
-A INPUT -m geoip ! --source-country DE -j DROP
-A INPUT -m iprange --src-range 203.0.113.1-203.0.113.9 -j DROP""",
    "CrowdSec": "-N CROWDSEC_CHAIN\n-A INPUT -j CROWDSEC_CHAIN\n"
    "-A CROWDSEC_CHAIN -m set --match-set crowdsec-blacklists-0 src -j DROP",
    "libvirt": """\
-N LIBVIRT_FWI
-N LIBVIRT_FWO
-N LIBVIRT_FWX
-N LIBVIRT_INP
-A INPUT -j LIBVIRT_INP
-A FORWARD -j LIBVIRT_FWX
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
-A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT
-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_INP -i virbr0 -p tcp -m tcp --dport 67 -j ACCEPT""",
    "LXD and LXC": """\
-A INPUT -i lxdbr0 -p tcp -m tcp --dport 53 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT
-A INPUT -i lxdbr0 -p udp -m udp --dport 67 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT
-A FORWARD -o lxdbr0 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT
-A FORWARD -i lxdbr0 -m comment --comment "generated for LXD network lxdbr0" -j ACCEPT
-A FORWARD -o lxcbr0 -j ACCEPT
-A FORWARD -i lxcbr0 -j ACCEPT""",
    "k3s": """\
-N CNI-FORWARD
-N FLANNEL-FWD
-N KUBE-FIREWALL
-N KUBE-FORWARD
-N KUBE-NODEPORTS
-N KUBE-ROUTER-INPUT
-A INPUT -m comment --comment "kube-router netpol - 4IA2OSFRMVNDXBVV" -j KUBE-ROUTER-INPUT
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-ROUTER-INPUT -d 10.43.0.0/16 -j RETURN
-A FLANNEL-FWD -s 10.42.0.0/16 -j ACCEPT""",
    "Calico": "-N cali-INPUT\n-A INPUT -j cali-INPUT\n-A cali-INPUT -m mark --mark 0x10000/0x10000 -j ACCEPT\n"
    "-A cali-INPUT -j ACCEPT",
    "podman": """\
-N CNI-ADMIN
-N NETAVARK_FORWARD
-N NETAVARK_INPUT
-A INPUT -j NETAVARK_INPUT
-A FORWARD -j NETAVARK_FORWARD
-A NETAVARK_INPUT -s 10.88.0.0/16 -p udp -m udp --dport 53 -j ACCEPT
-A NETAVARK_FORWARD -d 10.88.0.0/16 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A NETAVARK_FORWARD -s 10.88.0.0/16 -j ACCEPT""",
    "tailscaled": """\
-N ts-forward
-N ts-input
-A INPUT -j ts-input
-A FORWARD -j ts-forward
-A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000
-A ts-forward -o tailscale0 -j ACCEPT
-A ts-input -s 100.64.0.2/32 -i lo -j ACCEPT
-A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP
-A ts-input -i tailscale0 -j ACCEPT
-A ts-input -p udp -m udp --dport 41641 -j ACCEPT""",
    "ufw itself": f"-N ufw-before-input\n-N ufw-user-input\n{UFW}\n-A ufw-before-input -j ufw-user-input\n"
    "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT",
    "WireGuard's usual lines": "-A FORWARD -i wg0 -j ACCEPT\n-A FORWARD -o wg0 -j ACCEPT\n-A INPUT -i wg0 -j ACCEPT",
    "guests that are reached by a forwarded port": "-A FORWARD -d 192.168.122.10/32 -p tcp -m tcp --dport 22 -j ACCEPT",
    "a router": "-A FORWARD -i eth1 -o eth0 -j ACCEPT\n-A FORWARD -i eth0 -o eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT",
    "common rules of tutorials": """\
-A INPUT -i lo -j ACCEPT
-A INPUT -d 127.0.0.0/8 ! -i lo -j REJECT --reject-with icmp-port-unreachable
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP
-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP
-A INPUT -f -j DROP
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -p igmp -j ACCEPT
-A INPUT -m pkttype --pkt-type multicast -j ACCEPT
-A INPUT -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A INPUT -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A INPUT -m limit --limit 5/min -j LOG --log-prefix "dropped: "
-A INPUT -p tcp -m tcp --dport 22 -m recent --update --seconds 60 --hitcount 6 --name SSH --mask 255.255.255.255 --rsource -j DROP
-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name SSH
-A INPUT -p tcp -m tcp --dport 22 -m connlimit --connlimit-above 8 -j REJECT""",
    "common IPv6 rules of tutorials": """\
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -d fe80::/64 -p udp -m udp --dport 546 -m state --state NEW -j ACCEPT
-A INPUT -d ff02::/16 -j ACCEPT
-A INPUT -m rt --rt-type 0 --rt-segsleft 0 -j DROP
-A INPUT -m rpfilter --invert -j DROP""",
    "knocking": "-A INPUT -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 30 --name KNOCKED -j ACCEPT",
    "a counter": "-A INPUT -p tcp -m tcp --dport 22\n-A INPUT -j COUNT",
}
