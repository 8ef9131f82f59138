//! An API server, found as kubectl finds it.
//!
//! Deliberately absent: every method but GET, and the PATCH that changes nothing (`rehearse`).

use std::time::Duration;

use http::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::probe::{Answer, Probe};
use crate::{Observe, Place, Rehearse};

/// How long one log may take.
const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// Which cluster, in kubectl's words.
#[derive(Clone, Debug, Default)]
pub struct KubeOptions {
    /// A kubeconfig file; else `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// A context; else the current one.
    pub context: Option<String>,
    /// Seconds that one question may take.
    pub timeout: Option<Duration>,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// There is no usable kubeconfig.
    #[error("no usable kubeconfig: {0}")]
    Kubeconfig(String),
    /// The API server did not answer.
    #[error("no answer from {server}: {why}")]
    NoAnswer {
        /// Its address.
        server: String,
        /// Why.
        why: String,
    },
    /// It took too long.
    #[error("no answer from {server} within {seconds} s")]
    TimedOut {
        /// Its address.
        server: String,
        /// How long was waited.
        seconds: u64,
    },
}

/// An API server.
pub struct KubeApi {
    client: kube::Client,
    timeout: Duration,
    /// Its address, for messages.
    pub server: String,
    /// The context that was used, if there is one.
    pub context: String,
}

/// All causes of an error in one line: the last one is the one that people need.
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut at = error.source();
    while let Some(e) = at {
        let text = e.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        at = e.source();
    }
    out
}

impl KubeApi {
    /// Reads the kubeconfig; asks nothing yet.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it can't be used.
    pub async fn connect(options: &KubeOptions) -> Result<Self, ReachError> {
        let wrong = |e: kube::config::KubeconfigError| ReachError::Kubeconfig(chain(&e));
        let kubeconfig = match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).map_err(|e| {
                let why = chain(&e);
                let name = path.display().to_string();
                ReachError::Kubeconfig(if why.contains(&name) {
                    why
                } else {
                    format!("{name}: {why}")
                })
            })?,
            None => Kubeconfig::read().map_err(wrong)?,
        };
        let context = options
            .context
            .clone()
            .or_else(|| kubeconfig.current_context.clone())
            .unwrap_or_default();
        let chosen = KubeConfigOptions {
            context: options.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &chosen)
            .await
            .map_err(wrong)?;
        let server = config.cluster_url.to_string();
        let client =
            kube::Client::try_from(config).map_err(|e| ReachError::Kubeconfig(chain(&e)))?;
        Ok(Self {
            client,
            timeout: options.timeout.unwrap_or(Duration::from_secs(30)),
            server,
            context,
        })
    }

    fn no_answer(&self, error: &dyn std::error::Error) -> ReachError {
        ReachError::NoAnswer {
            server: self.server.clone(),
            why: chain(error),
        }
    }
}

impl KubeApi {
    /// Sends one request and waits for the whole answer.
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        patience: Duration,
    ) -> Result<Answer, ReachError> {
        let asked = async {
            let response = self
                .client
                .send(request.map(Body::from))
                .await
                .map_err(|e| self.no_answer(&e))?;
            let status = response.status().as_u16();
            let date = response
                .headers()
                .get(http::header::DATE)
                .and_then(|d| d.to_str().ok())
                .map(str::to_owned);
            let body = response
                .into_body()
                .collect_bytes()
                .await
                .map_err(|e| self.no_answer(&e))?;
            Ok(Answer {
                status,
                body: body.to_vec(),
                date,
            })
        };
        match tokio::time::timeout(patience, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(ReachError::TimedOut {
                server: self.server.clone(),
                seconds: patience.as_secs(),
            }),
        }
    }
}

impl Observe for KubeApi {
    async fn ask(&self, probe: &Probe) -> Result<Answer, ReachError> {
        let request = Request::get(probe.path())
            .header(http::header::ACCEPT, probe.accept())
            .body(Vec::new())
            .map_err(|e| self.no_answer(&e))?;
        // The API server passes a log question on to a kubelet, and waits long for a dead one.
        let patience = match probe {
            Probe::Log { .. } => self.timeout.min(LOG_PATIENCE),
            _ => self.timeout,
        };
        self.send(request, patience).await
    }
}

impl Rehearse for KubeApi {
    async fn rehearse(&self, place: &Place, object: Vec<u8>) -> Result<Answer, ReachError> {
        let request = Request::patch(place.path())
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(object)
            .map_err(|e| self.no_answer(&e))?;
        self.send(request, self.timeout).await
    }
}
