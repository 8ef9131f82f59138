//! Certificates and authorities of another time: of another generation of the cluster, or run out.
//!
//! Dates lie in the past because openssl is told so: a node's clock can't be changed. Deliberately absent: tokens
//! (`identity`).

use super::step::remove_member;
use super::{Family, Fault, Step, Store};

/// Functions for the scripts below: an authority, and what it signs, with dates of the caller's choice.
macro_rules! with_openssl {
    ($rest:literal) => {
        concat!(
            "umask 077\nmkdir -p /root/made\ncd /root/made\n",
            "printf '[ca]\\ndefault_ca=own\\n[own]\\ndatabase=index\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=any\\nunique_subject=no\\nrand_serial=yes\\n[any]\\ncommonName=supplied\\norganizationName=optional\\n' > ca.cnf\n",
            ": > index\n",
            "# key FILE: a new one, as k3s makes them.\n",
            "key() { openssl ecparam -name prime256v1 -genkey -noout -out \"$1\"; }\n",
            "# sign NAME KEY FROM TO EXTENSIONS OUT [CA], CA without its suffix; without CA it signs itself.\n",
            "sign() {\n",
            "  printf '%b\\n' \"$5\" > ext\n",
            "  openssl req -new -key \"$2\" -subj \"$1\" -out csr\n",
            "  if [ -n \"${7:-}\" ]; then set -- \"$@\" -cert \"$7.crt\" -keyfile \"$7.key\"; else set -- \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" '' -selfsign -keyfile \"$2\"; fi\n",
            "  from=$3 to=$4 out=$6\n",
            "  shift 7\n",
            "  openssl ca -batch -config ca.cnf -notext -startdate \"$from\" -enddate \"$to\" -in csr -extfile ext -out \"$out\" \"$@\" 2> openssl.log || { cat openssl.log >&2; return 1; }\n",
            "}\n",
            "authority='basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\\nsubjectKeyIdentifier=hash'\n",
            "# leaf NODE ADDRESS: the extensions of a peer's certificate.\n",
            "leaf() { echo \"keyUsage=critical,digitalSignature,keyEncipherment\\nextendedKeyUsage=serverAuth,clientAuth\\nsubjectAltName=DNS:$1,DNS:localhost,IP:127.0.0.1,IP:$2\"; }\n",
            $rest
        )
    };
}

/// Waits for a server that has no quorum: its own etcd answers nobody.
const NO_QUORUM: Step = Step::Until {
    node: "n1",
    script: "! etcdctl --command-timeout=5s endpoint health",
    seconds: 60,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "peer-ca-of-before",
        family: Family::Identity,
        classes: &["mixed-ca", "foreign-cluster-ca"],
        what: "over one of two running servers an old tls/etcd is unpacked, of the cluster that was there before; when the other restarts, the two reject each other",
        servers: 2..=2,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                with_openssl!(
                    "made=$(($(date +%s) - 8640000))\nkey peer-ca.key\nsign \"/CN=etcd-peer-ca@$made\" peer-ca.key $(date -u -d '1 month ago' +%Y%m%d%H%M%SZ) $(date -u -d '10 years' +%Y%m%d%H%M%SZ) \"$authority\" peer-ca.crt\nkey leaf.key\nsign /CN=etcd-peer leaf.key $(date -u -d '1 month ago' +%Y%m%d%H%M%SZ) $(date -u -d '10 years' +%Y%m%d%H%M%SZ) \"$(leaf n2 198.51.100.12)\" leaf.crt peer-ca\ntls=/var/lib/rancher/k3s/server/tls/etcd\ncat leaf.crt peer-ca.crt > $tls/peer-server-client.crt\ncp leaf.key $tls/peer-server-client.key\ncp peer-ca.crt peer-ca.key $tls/\ntouch -d @$made $tls/peer-*"
                ),
            ),
            Step::On("n1", "systemctl restart --no-block k3s"),
            Step::Said {
                node: "n1",
                text: "prober detected unhealthy status",
                seconds: 60,
            },
            NO_QUORUM,
        ],
        heals: &[Step::On("n2", "systemctl restart --no-block k3s")],
    },
    Fault {
        name: "recreated-while-off",
        family: Family::Identity,
        classes: &["etcd-cluster-id-mismatch", "foreign-cluster-ca"],
        what: "a cluster is made anew while one of its two servers is off: the same name, address and token. The other one gets the new authorities and keeps the old data: each takes the other for a stranger",
        servers: 2..=2,
        store: Store::Etcd,
        breaks: &[
            Step::Stop("n2"),
            Step::On(
                "n1",
                "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server /etc/rancher/k3s/k3s.yaml\ntimeout 120 systemctl start k3s",
            ),
            Step::Start("n2"),
            Step::Said {
                node: "n2",
                text: "failed to find local node",
                seconds: 60,
            },
            Step::Said {
                node: "n2",
                text: "failed to publish local member to cluster through raft",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n2",
            "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s/server\nsystemctl start --no-block k3s",
        )],
    },
    Fault {
        name: "files-newer",
        family: Family::Identity,
        classes: &["bootstrap-data-conflict"],
        what: "somebody adds an account to one server's cred/passwd, which is part of the cluster's bootstrap record",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nsleep 4\necho \"$(openssl rand -hex 16),backup,backup,k3s:agent\" >> /var/lib/rancher/k3s/server/cred/passwd\nsystemctl start --no-block k3s",
            ),
            Step::Said {
                node: "n1",
                text: "newer than datastore and could cause a cluster outage",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop k3s\nrm /var/lib/rancher/k3s/server/cred/passwd\nsystemctl start --no-block k3s",
        )],
    },
    Fault {
        name: "peer-leaf-expired",
        family: Family::Identity,
        classes: &["cert-expired"],
        what: "a server that nobody restarted for a year shows its peers a certificate that has run out; when the other of the two restarts, there is no quorum",
        servers: 2..=2,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n2",
                with_openssl!(
                    "tls=/var/lib/rancher/k3s/server/tls/etcd\nsign /CN=etcd-peer $tls/peer-server-client.key $(date -u -d '13 months ago' +%Y%m%d%H%M%SZ) $(date -u -d '1 month ago' +%Y%m%d%H%M%SZ) \"$(leaf n2 198.51.100.12)\" leaf.crt $tls/peer-ca\ncat leaf.crt $tls/peer-ca.crt > $tls/peer-server-client.crt"
                ),
            ),
            Step::On("n1", "systemctl restart --no-block k3s"),
            Step::Said {
                node: "n1",
                text: "certificate has expired or is not yet valid",
                seconds: 60,
            },
            NO_QUORUM,
        ],
        heals: &[Step::On("n2", "systemctl restart --no-block k3s")],
    },
    Fault {
        name: "admin-cert-expired",
        family: Family::Identity,
        classes: &["cert-expired"],
        what: "the administrator's certificate in k3s.yaml has run out; the cluster is well",
        servers: 1..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                with_openssl!(
                    "tls=/var/lib/rancher/k3s/server/tls\ncp -p /etc/rancher/k3s/k3s.yaml /root/k3s.yaml.good\nsign /O=system:masters/CN=system:admin $tls/client-admin.key $(date -u -d '13 months ago' +%Y%m%d%H%M%SZ) $(date -u -d '1 month ago' +%Y%m%d%H%M%SZ) 'keyUsage=critical,digitalSignature,keyEncipherment\\nextendedKeyUsage=clientAuth' admin.crt $tls/client-ca\ncat admin.crt $tls/client-ca.crt > both.crt\nsed -i \"s|client-certificate-data: .*|client-certificate-data: $(base64 -w 0 both.crt)|\" /etc/rancher/k3s/k3s.yaml"
                ),
            ),
            Step::Until {
                node: "n1",
                script: "! kubectl get --raw /readyz",
                seconds: 30,
            },
        ],
        heals: &[Step::On(
            "n1",
            "mv /root/k3s.yaml.good /etc/rancher/k3s/k3s.yaml",
        )],
    },
    Fault {
        name: "ca-expired",
        family: Family::Identity,
        classes: &["cert-expired"],
        what: "the cluster's own authorities have run out: they were made elsewhere, as the documents allow, and put below tls before the first start",
        servers: 1..=1,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                with_openssl!(
                    "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s.good\nmv /var/lib/rancher/k3s /var/lib/rancher/k3s.good\ntls=/var/lib/rancher/k3s/server/tls\nmkdir -p $tls/etcd\nmade=$(date -d '121 months ago' +%s)\nfrom=$(date -u -d '121 months ago' +%Y%m%d%H%M%SZ)\nuntil=$(date -u -d '1 month ago' +%Y%m%d%H%M%SZ)\nfor ca in k3s-server:server k3s-client:client k3s-request-header:request-header etcd-server:etcd/server etcd-peer:etcd/peer; do\n  key $tls/${ca#*:}-ca.key\n  sign \"/CN=${ca%:*}-ca@$made\" $tls/${ca#*:}-ca.key $from $until \"$authority\" $tls/${ca#*:}-ca.crt\ndone\nsystemctl start --no-block k3s"
                ),
            ),
            Step::Said {
                node: "n1",
                text: "certificate has expired or is not yet valid",
                seconds: 60,
            },
        ],
        heals: &[Step::On(
            "n1",
            "systemctl stop k3s\nrm -rf /var/lib/rancher/k3s\nmv /var/lib/rancher/k3s.good /var/lib/rancher/k3s\nsystemctl start --no-block k3s",
        )],
    },
    Fault {
        name: "first-server-wiped",
        family: Family::Identity,
        classes: &["foreign-cluster-ca", "etcd-cluster-id-mismatch"],
        what: "rm -rf /var/lib/rancher on the server that began the cluster, in place of an uninstall: it begins another one with new authorities, and is well",
        servers: 3..=9,
        store: Store::Etcd,
        breaks: &[
            Step::On(
                "n1",
                "systemctl stop k3s\nrm -rf /var/lib/rancher\ntimeout 120 systemctl start k3s",
            ),
            Step::Said {
                node: "n2",
                text: "certificate signed by unknown authority",
                seconds: 60,
            },
        ],
        // Its settings are as they were afterwards: with data k3s does not look at how it came to them.
        heals: &[
            Step::On("n1", "systemctl stop k3s"),
            remove_member!("n2", "n1"),
            Step::On(
                "n1",
                "rm -rf /var/lib/rancher/k3s/server /etc/rancher/k3s/k3s.yaml\ncp -p /etc/rancher/k3s/config.yaml /root/config.yaml.good\nsed -i 's|^cluster-init: true|server: https://198.51.100.12:6443|' /etc/rancher/k3s/config.yaml\nsystemctl start --no-block k3s",
            ),
            Step::Until {
                node: "n1",
                script: "systemctl is-active --quiet k3s\netcdctl endpoint health",
                seconds: 120,
            },
            Step::On(
                "n1",
                "mv /root/config.yaml.good /etc/rancher/k3s/config.yaml",
            ),
        ],
    },
];
