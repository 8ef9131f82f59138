//! `defib inspect bootstrap`.

use std::path::{Path, PathBuf};

use defib_session::inspect::{
    Bootstrap, BootstrapError, Dead, Kept, OnDisk, UnlockError, read_token,
};

use super::{Form, Place};
use crate::error::CliError;
use crate::{exit, output};

/// Show k3s' bootstrap record: does this token fit, and which CAs and keys are in it
///
/// k3s keeps the CAs and keys of the cluster in its own datastore, sealed with the token. Without --token-file
/// only the hash of the token that is wanted is shown. What keys are made of is never printed.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,

    /// A file with the cluster's token, which opens the record.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Look for records in every page that looks as if it held some, where the file is too damaged to be read as a
    /// whole. An old one may come back.
    #[arg(long)]
    salvage: bool,
    /// Compare with the files of this k3s data directory; without it with FILE, where it is one.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write the files, private keys included, as a new tar archive that only you may read.
    #[arg(long, value_name = "FILE", requires = "extract_keys")]
    out: Option<PathBuf>,
    /// Say that private keys shall really be written to --out.
    #[arg(long, requires = "out")]
    extract_keys: bool,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let file = &args.place.file;
    let dead = match args.salvage {
        true => Dead::salvage(file)?,
        false => Dead::open(file)?,
    };
    super::announce(&dead);
    let token = match &args.token_file {
        Some(path) => Some(read_token(path).map_err(|e| failed(file, e))?),
        None => None,
    };
    if let (Some(_), None) = (&args.out, &token) {
        return Err(
            CliError::new("--extract-keys opens the record, which needs the token").hint(
                "give it with --token-file; a server keeps it in /var/lib/rancher/k3s/server/token",
            ),
        );
    }
    let own = file.join("server/tls").is_dir() || file.join("tls").is_dir();
    let data = args
        .data_dir
        .as_deref()
        .or(own.then_some(file.as_path()))
        .filter(|_| token.is_some());
    let said = dead
        .bootstrap(token.as_ref(), data)
        .map_err(|e| failed(file, e.into()))?;
    if let (Some(out), Some(token)) = (&args.out, &token) {
        let count = dead
            .extract(token, out)
            .map_err(|e| failed(file, e.into()))??;
        super::tell(&format!(
            "{count} files with private keys are in {}, for you alone; with k3s stopped they go back by: tar -xpf {} -C /var/lib/rancher/k3s",
            out.display(),
            super::word(out)
        ));
    }
    match args.place.output {
        Form::Json => output::json(&said)?,
        Form::Yaml => output::yaml(&said)?,
        Form::Text => output::text(&text(&said))?,
    }
    if said.records.len() > 1 {
        super::tell(
            "there are several records: a rotation of the token did not end; k3s starts while its token fits one of them",
        );
    }
    if token.is_none() {
        super::tell(&format!(
            "what is in it: defib inspect bootstrap {} --token-file /var/lib/rancher/k3s/server/token",
            super::word(file)
        ));
        if args.data_dir.is_some() {
            super::tell("nothing is compared without the token");
        }
    }
    let refused = said.files.iter().any(|f| f.on_disk == Some(OnDisk::Newer))
        || said
            .files
            .iter()
            .flat_map(|f| &f.keys)
            .any(|k| k.matches == Some(false));
    Ok(if refused {
        exit::PROBLEMS
    } else {
        exit::HEALTHY
    })
}

fn text(said: &Bootstrap) -> String {
    let mut text = String::new();
    for record in &said.records {
        let fits = match record.fits {
            Some(true) => ", which is this token's",
            Some(false) => ", which is not this token's",
            None => "",
        };
        text.push_str(&match record.state {
            "lock" => format!(
                "{} is a lock: a server was about to write a record for the token of hash {}{fits}\n",
                record.key, record.hash
            ),
            _ => format!(
                "{} wants the token of hash {}{fits}; {} bytes, revision {}\n",
                record.key, record.hash, record.bytes, record.revision
            ),
        });
    }
    for kept in &said.files {
        text.push_str(&file(kept));
    }
    if let Some(server) = &said.compared_with {
        let count = |wanted: fn(&OnDisk) -> bool| {
            let files = said.files.iter();
            files
                .filter(|f| f.on_disk.as_ref().is_some_and(wanted))
                .count()
        };
        text.push_str(&format!(
            "beside {}: {} equal, {} differ, {} missing\n",
            super::clean(&server.display().to_string()),
            count(|d| *d == OnDisk::Equal),
            count(|d| matches!(d, OnDisk::Newer | OnDisk::Older | OnDisk::Differs)),
            count(|d| *d == OnDisk::Missing)
        ));
    }
    text
}

fn file(kept: &Kept) -> String {
    let mut text = format!("  {}", kept.file.unwrap_or(&super::clean(&kept.field)));
    if let Some(written) = &kept.written {
        text.push_str(&format!(", written {written}"));
    }
    if let Some(disk) = &kept.on_disk {
        text.push_str(&match disk {
            OnDisk::Equal => ": the same on disk".to_owned(),
            OnDisk::Newer => {
                ": DIFFERS and is newer on disk, so k3s refuses to start until that file is moved away"
                    .to_owned()
            }
            OnDisk::Older => ": differs on disk, where k3s replaces it at its next start".to_owned(),
            OnDisk::Differs => ": differs on disk".to_owned(),
            OnDisk::Missing => ": not on disk, where k3s writes it at its next start".to_owned(),
            OnDisk::Unread(why) => format!(": can't be read on disk: {}", super::clean(why)),
        });
    }
    text.push('\n');
    for certificate in &kept.certificates {
        text.push_str(&format!(
            "      {}, from {} to {}\n      sha256 {}\n",
            super::clean(&certificate.subject),
            certificate.not_before,
            certificate.not_after,
            certificate.sha256
        ));
    }
    for key in &kept.keys {
        let own = match key.matches {
            Some(true) => ", of the certificate above",
            Some(false) => ", NOT of the certificate above",
            None => "",
        };
        text.push_str(&format!("      {}{own}\n", super::clean(&key.form)));
    }
    text
}

/// A failure with what to do next.
pub(super) fn failed(file: &Path, why: UnlockError) -> CliError {
    let failure = CliError::new(why.to_string());
    let UnlockError::Bootstrap(why) = &why else {
        return failure;
    };
    match why {
        BootstrapError::WrongToken { .. } | BootstrapError::Agents { .. } => failure.hint(
            "the token of the time is wanted, also after it was rotated: on a server in /var/lib/rancher/k3s/server/token, else in K3S_TOKEN of k3s.service.env or in /etc/rancher/k3s/config.yaml",
        ),
        BootstrapError::None => failure.hint(format!(
            "see what there is: defib inspect ls {}",
            super::word(file)
        )),
        BootstrapError::Closed { .. }
        | BootstrapError::Unreadable { .. }
        | BootstrapError::Unknown { .. } => failure.hint(format!(
            "see whether the file is sound: defib inspect verify {}",
            super::word(file)
        )),
        BootstrapError::NoDataDirectory(_) => {
            failure.hint("k3s keeps it in /var/lib/rancher/k3s where nothing else was said")
        }
    }
}
