//! Free loopback ports, all different.
//! Deliberately absent: a reservation. Nobody can hand a bound socket to etcd or kube-apiserver, so
//! another process may take a port in between; whoever starts a part tries again with new ones.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::LabError;

/// The ports of one control plane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) apiserver: u16,
    pub(crate) controller_manager: u16,
    pub(crate) scheduler: u16,
    pub(crate) kwok: u16,
}

impl Ports {
    /// Asks the system for six ports at once, so that they differ.
    pub(crate) fn free() -> Result<Self, LabError> {
        let mut held = Vec::new();
        let mut next = || -> std::io::Result<u16> {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            Ok(port)
        };
        let mut all = || -> std::io::Result<Self> {
            Ok(Self {
                etcd: next()?,
                etcd_peer: next()?,
                apiserver: next()?,
                controller_manager: next()?,
                scheduler: next()?,
                kwok: next()?,
            })
        };
        all().map_err(LabError::Ports)
    }
}
