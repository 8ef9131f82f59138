//! `serve`: a dead datastore behind a listener on loopback, for plain kubectl.
//!
//! kubectl gives its token to nobody over plain HTTP, so there is TLS, with a certificate made for this run.
//! Deliberately absent: answers (`defib_store::api`), and anything that listens elsewhere than on loopback.

mod connection;
mod kubeconfig;
mod patient;
mod signals;
mod strangers;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use defib_formats::datastore::{Place, Rows};
use defib_store::api::{Api, Values};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::Dead;
use kubeconfig::Kept;
pub use signals::is_listening;

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The port on loopback; 0 for any that is free.
    pub port: u16,
    /// Where the kubeconfig goes; without it into a private file that goes at the end.
    pub kubeconfig: Option<PathBuf>,
    /// Answer what is secret, too.
    pub show_secrets: bool,
}

/// Where it listens, and how it is reached.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The address.
    pub address: SocketAddr,
    /// The kubeconfig with the token.
    pub kubeconfig: PathBuf,
    /// Live keys of the datastore.
    pub keys: usize,
    /// The latest revision.
    pub revision: u64,
    /// Places of the datastore that are damaged.
    pub damages: u64,
}

/// Why it can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is not free.
    #[error("cannot listen on 127.0.0.1:{port}: {why}")]
    Port {
        /// The port.
        port: u16,
        /// Why.
        why: std::io::Error,
    },
    /// The kubeconfig can't be written.
    #[error("cannot write {path}: {why}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// No certificate, token or thread is to be had.
    #[error("cannot set up the listener: {0}")]
    Setup(String),
}

impl Values for Dead {
    fn rows(&self) -> &dyn Rows {
        Dead::rows(self)
    }

    fn json(&self, place: Place, revision: u64) -> Result<Vec<u8>, String> {
        self.json(place, revision).map_err(|e| e.to_string())
    }
}

/// What all connections share.
struct Shared {
    dead: Dead,
    api: Api,
    token: String,
    /// Hears remarks for whoever runs it.
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// Serves until it is interrupted. `ready` is told where; `tell` hears remarks meanwhile.
///
/// # Errors
/// When it can't begin.
pub fn serve(
    dead: Dead,
    settings: &Settings,
    ready: impl FnOnce(&Listening),
    tell: impl Fn(&str) + Send + Sync + 'static,
) -> Result<(), ServeError> {
    let setup = |e: &dyn std::fmt::Display| ServeError::Setup(e.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let token = token(&provider)?;
    let key = KeyPair::generate().map_err(|e| setup(&e))?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.self_signed(&key))
        .map_err(|e| setup(&e))?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], private)
        })
        .map_err(|e| setup(&e))?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let runtime = runtime()?;
    let listener = runtime
        .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)))
        .map_err(|why| ServeError::Port {
            port: settings.port,
            why,
        })?;
    let address = listener.local_addr().map_err(|e| setup(&e))?;
    let shared = Arc::new(Shared {
        api: Api::new(&dead, settings.show_secrets),
        dead,
        token,
        tell: Box::new(tell),
    });
    let config = kubeconfig::text(address, &certificate.pem(), &shared.token);
    // Heard before there is a file that has to go, and not sooner: until then being ended leaves nothing.
    let told = {
        let _inside = runtime.enter();
        signals::Told::new().map_err(|e| setup(&e))?
    };
    let kept = Kept::write(settings.kubeconfig.as_deref(), &config)?;
    ready(&Listening {
        address,
        kubeconfig: kept.path.clone(),
        keys: shared.api.keys(),
        revision: shared.api.revision(),
        damages: shared.api.damages(),
    });
    runtime.block_on(connection::accept(listener, Arc::new(tls), shared, told));
    // An answer that is still being made must not keep us: nobody waits for it any more.
    runtime.shutdown_background();
    drop(kept);
    Ok(())
}

fn runtime() -> Result<Runtime, ServeError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(connection::ANSWERS)
        .enable_all()
        .build()
        .map_err(|e| ServeError::Setup(e.to_string()))
}

/// Random letters that nobody guesses.
fn token(provider: &CryptoProvider) -> Result<String, ServeError> {
    let mut bytes = [0u8; 32];
    provider
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| ServeError::Setup("no random numbers are to be had".into()))?;
    Ok(defib_formats::bytes::hex(&bytes))
}
