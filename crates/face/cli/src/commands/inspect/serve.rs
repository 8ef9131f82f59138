//! `defib inspect serve`.

use std::io::Write as _;
use std::path::PathBuf;

use defib_session::inspect::serve::{self, ServeError, Settings};

use crate::error::CliError;
use crate::exit;

/// Serve it as a read-only Kubernetes API on loopback, for plain kubectl
///
/// Prints the kubeconfig to use and runs until Ctrl-C. Values of Secrets, and whatever else looks like one, are
/// hidden unless --show-secrets is given.
#[derive(clap::Args)]
pub struct Args {
    /// The snapshot, database or folder.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The port on 127.0.0.1; 0 takes any that is free.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Write the kubeconfig to this file, which must not exist and goes at the end.
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
    #[command(flatten)]
    unlock: super::Unlock,
    /// Show what is secret, too.
    #[arg(long)]
    show_secrets: bool,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let dead = args.unlock.open(&args.file)?;
    let settings = Settings {
        port: args.port,
        kubeconfig: args.kubeconfig_out.clone(),
        show_secrets: args.show_secrets,
    };
    let ready = |at: &serve::Listening| {
        if at.damages > 0 {
            super::tell("the datastore is damaged: what is missing from an answer may have lived");
        }
        super::tell(&format!(
            "{} keys at revision {} are served on https://{}, for reading only, until Ctrl-C",
            at.keys, at.revision, at.address
        ));
        let line = format!(
            "kubectl --kubeconfig {} get pods -A\n",
            super::word(&at.kubeconfig)
        );
        // Nobody reading it is no reason to stop.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    };
    serve::serve(dead, &settings, ready, super::tell).map_err(failed)?;
    Ok(exit::HEALTHY)
}

fn failed(error: ServeError) -> CliError {
    let failure = CliError::new(error.to_string());
    match error {
        ServeError::Port { .. } => failure.hint("without --port any free port is taken"),
        ServeError::Kubeconfig { .. } => {
            failure.hint("name a file that does not exist yet, or none: --kubeconfig-out FILE")
        }
        ServeError::Setup(_) => failure,
    }
}
