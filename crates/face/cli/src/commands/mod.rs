//! One file per command.

pub mod collect;
pub mod diagnose;
pub mod explain;
pub mod inspect;
pub mod rules;
pub mod version;

use defib_session::{Options, Source};

use crate::error::CliError;

/// How a cluster is found, in kubectl's words.
#[derive(clap::Args, Debug, Default)]
pub struct Cluster {
    /// Kubeconfig file for living clusters.
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Context of the kubeconfig; without a SOURCE this cluster is asked.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Seconds that one question to a cluster may take.
    #[arg(long, value_name = "SECONDS", env = "DEFIB_TIMEOUT")]
    pub timeout: Option<u64>,
}

impl Cluster {
    fn options(&self) -> Options {
        Options {
            kubeconfig: self.kubeconfig.clone(),
            timeout: self.timeout,
            ..Options::default()
        }
    }
}

/// The sources meant: those that were named, else the current kubeconfig's cluster, if there is one.
fn sources(args: &[String], cluster: &Cluster) -> Result<Vec<Source>, CliError> {
    if !args.is_empty() {
        let mut out = Vec::new();
        for arg in args {
            let source = Source::parse(arg)?;
            out.push(match (source, &cluster.context) {
                (Source::Kube(None), Some(context)) => Source::Kube(Some(context.clone())),
                (other, _) => other,
            });
        }
        return Ok(out);
    }
    let named = cluster.kubeconfig.is_some() || cluster.context.is_some();
    let found = std::env::var_os("KUBECONFIG").is_some_and(|v| !v.is_empty())
        || std::env::var_os("HOME")
            .is_some_and(|h| std::path::Path::new(&h).join(".kube/config").exists());
    if named || found {
        return Ok(vec![Source::Kube(cluster.context.clone())]);
    }
    Err(CliError::new("no SOURCE given, and no kubeconfig found")
        .hint("a folder of evidence:  defib diagnose FOLDER")
        .hint("a living cluster:      defib diagnose kube: --kubeconfig FILE")
        .hint("all kinds of sources:  defib diagnose --help"))
}
