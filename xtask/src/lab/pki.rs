//! The certificate authorities of one control plane and what they sign, split the way k3s splits
//! them: server, client, request header, etcd.
//! Deliberately absent: renewal and reuse; every control plane has its own, for a day.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

use super::LabError;
use super::error::file;

/// The address that the `kubernetes` Service gets from the Service range.
pub(crate) const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 1);

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Answers on loopback.
    Server,
    /// Says who is asking.
    Client,
    /// Both: an etcd member is server and client of its peers.
    Peer,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

/// All authorities of one control plane.
pub(crate) struct Pki {
    dir: PathBuf,
    pub(crate) server: Authority,
    client: Authority,
    request_header: Authority,
    etcd: Authority,
}

impl Pki {
    /// Makes the authorities and writes everything the parts read from files.
    pub(crate) fn create(dir: PathBuf) -> Result<Self, LabError> {
        fs::create_dir_all(&dir).map_err(file("create", &dir))?;
        let pki = Self {
            server: authority("defib-lab-server-ca")?,
            client: authority("defib-lab-client-ca")?,
            request_header: authority("defib-lab-request-header-ca")?,
            etcd: authority("defib-lab-etcd-ca")?,
            dir,
        };
        for (name, authority) in [
            ("server-ca", &pki.server),
            ("client-ca", &pki.client),
            ("request-header-ca", &pki.request_header),
            ("etcd-ca", &pki.etcd),
        ] {
            let pair = Pair {
                certificate: authority.pem(),
                key: authority.key().serialize_pem(),
            };
            pki.write(name, &pair)?;
        }
        for (name, authority, user, group, usage) in [
            (
                "apiserver",
                &pki.server,
                "kube-apiserver",
                None,
                Use::Server,
            ),
            (
                "controller-manager",
                &pki.server,
                "kube-controller-manager",
                None,
                Use::Server,
            ),
            (
                "scheduler",
                &pki.server,
                "kube-scheduler",
                None,
                Use::Server,
            ),
            ("etcd", &pki.etcd, "etcd-server", None, Use::Peer),
            ("etcd-client", &pki.etcd, "etcd-client", None, Use::Client),
            (
                "proxy-client",
                &pki.request_header,
                "system:auth-proxy",
                None,
                Use::Client,
            ),
            (
                "kubelet-client",
                &pki.client,
                "kube-apiserver",
                Some("system:masters"),
                Use::Client,
            ),
        ] {
            pki.write(name, &signed(authority, user, group, usage)?)?;
        }
        let service_account = KeyPair::generate().map_err(certificate("service-account"))?;
        pki.put("service-account.key", &service_account.serialize_pem())?;
        // Apart, because the API server finds no public key in a PKCS#8 private one.
        pki.put("service-account.pub", &service_account.public_key_pem())?;
        Ok(pki)
    }

    /// A client certificate for a Kubernetes user. One group at most: the certificate library keeps
    /// one attribute of a kind in a name.
    pub(crate) fn user(&self, name: &str, group: Option<&str>) -> Result<Pair, LabError> {
        signed(&self.client, name, group, Use::Client)
    }

    /// The path of a certificate (`.crt`) or key (`.key`).
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    fn write(&self, name: &str, pair: &Pair) -> Result<(), LabError> {
        self.put(&format!("{name}.crt"), &pair.certificate)?;
        self.put(&format!("{name}.key"), &pair.key)
    }

    fn put(&self, name: &str, text: &str) -> Result<(), LabError> {
        super::files::write_private(&self.path(name), text.as_bytes())
    }
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys must not end up in a test's output.
        f.debug_struct("Pki")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

fn certificate(name: &str) -> impl FnOnce(rcgen::Error) -> LabError {
    let name = name.to_owned();
    move |source| LabError::Certificate { name, source }
}

fn authority(name: &str) -> Result<Authority, LabError> {
    let mut params = params(name, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate().map_err(certificate(name))?;
    CertifiedIssuer::self_signed(params, key).map_err(certificate(name))
}

fn signed(
    authority: &Authority,
    name: &str,
    group: Option<&str>,
    usage: Use,
) -> Result<Pair, LabError> {
    let mut params = params(name, group);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if usage != Use::Client {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V4(SERVICE_ADDRESS)),
        ];
        for name in [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
        ] {
            let name = name.try_into().map_err(certificate(name))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
    }
    if usage != Use::Server {
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    let key = KeyPair::generate().map_err(certificate(name))?;
    let signed = params
        .signed_by(&key, authority)
        .map_err(certificate(name))?;
    Ok(Pair {
        certificate: signed.pem(),
        key: key.serialize_pem(),
    })
}

fn params(name: &str, group: Option<&str>) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    // Begun an hour ago, so that a clock set back a little does no harm.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(1);
    params
}
