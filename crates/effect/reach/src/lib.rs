//! Hosts and APIs, reached: `Observe` asks from a closed list of probes and can change nothing; `Rehearse` asks
//! what an API server would do, and makes it do nothing.
//!
//! Deliberately absent: what is asked and why (`collect`), and `Operate`, which comes with recovery.

mod kube_api;
mod probe;
mod rehearse;

pub use kube_api::{KubeApi, KubeOptions, ReachError};
pub use probe::{Answer, Probe};
pub use rehearse::{Place, Rehearse};

/// Asks, and changes nothing: the only thing that `collect` is given.
pub trait Observe: Sync {
    /// Asks one question.
    ///
    /// # Errors
    /// When no answer came at all; a refusal is an answer.
    fn ask(&self, probe: &Probe) -> impl Future<Output = Result<Answer, ReachError>> + Send;
}
