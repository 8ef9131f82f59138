//! A small blocking client for the lab's own API server: readiness, populating, audit marks.
//! Deliberately absent: watches, patches and every other thing that kubectl does better.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::LabError;
use super::pki::Pair;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Speaks to one server with one identity; clones share connections.
#[derive(Debug, Clone)]
pub struct ApiClient {
    agent: ureq::Agent,
    base: String,
}

/// A status code and the body as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl ApiClient {
    /// Trusts one authority (PEM) and shows one certificate, if any. Certificates that do not parse
    /// are left out, and the first request then fails by name.
    pub(crate) fn new(base: &str, authority: &str, pair: Option<&Pair>) -> Self {
        let roots: Vec<_> = Certificate::from_pem(authority.as_bytes())
            .into_iter()
            .collect();
        let identity = pair.and_then(|pair| {
            let certificate = Certificate::from_pem(pair.certificate.as_bytes()).ok()?;
            let key = PrivateKey::from_pem(pair.key.as_bytes()).ok()?;
            Some(ClientCert::new_with_certs(&[certificate], key))
        });
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(identity)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            // A proxy of the user's must not come between the lab and its loopback.
            .proxy(None)
            .user_agent("defib-lab")
            .build()
            .new_agent();
        Self {
            agent,
            base: base.to_owned(),
        }
    }

    /// Asks for a path; any status is an answer.
    pub fn get(&self, path: &str) -> Result<Answer, LabError> {
        let answer = self.agent.get(self.url(path)).call();
        read("GET", path, answer)
    }

    /// Asks for a JSON document; a refusal is an error.
    pub fn get_json(&self, path: &str) -> Result<Value, LabError> {
        accepted("GET", path, self.get(path)?)
    }

    /// Creates an object below a collection's path; a refusal is an error.
    pub fn create(&self, path: &str, object: &Value) -> Result<Value, LabError> {
        let request = self
            .agent
            .post(self.url(path))
            .header("Content-Type", "application/json");
        let answer = read("POST", path, request.send(object.to_string()))?;
        accepted("POST", path, answer)
    }

    /// Creates many objects and reads no more of each answer than its status.
    pub(crate) fn create_quietly(&self, path: &str, object: &Value) -> Result<(), LabError> {
        let request = self
            .agent
            .post(self.url(path))
            .header("Content-Type", "application/json");
        let answer = read("POST", path, request.send(object.to_string()))?;
        refused("POST", path, &answer).map_or(Ok(()), Err)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn read(
    method: &'static str,
    path: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, LabError> {
    let transport = |source| LabError::Transport {
        method,
        path: path.to_owned(),
        source: Box::new(source),
    };
    let mut answer = answer.map_err(transport)?;
    let status = answer.status().as_u16();
    // The list of 5,000 pods is larger than what a body may have by default.
    let body = answer
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_string()
        .map_err(transport)?;
    Ok(Answer { status, body })
}

fn refused(method: &'static str, path: &str, answer: &Answer) -> Option<LabError> {
    if (200..300).contains(&answer.status) {
        return None;
    }
    let message = serde_json::from_str::<Value>(&answer.body)
        .ok()
        .and_then(|status| {
            status
                .get("message")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .unwrap_or_else(|| answer.body.chars().take(300).collect());
    Some(LabError::Api {
        method,
        path: path.to_owned(),
        status: answer.status,
        message,
    })
}

fn accepted(method: &'static str, path: &str, answer: Answer) -> Result<Value, LabError> {
    if let Some(refusal) = refused(method, path, &answer) {
        return Err(refusal);
    }
    serde_json::from_str(&answer.body).map_err(|source| LabError::Json {
        what: format!("the answer to {method} {path}"),
        source,
    })
}
