//! `defib inspect export`.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use defib_session::inspect::{Export, Exported, Form as Object, Item};

use crate::commands::Cluster;
use crate::error::CliError;
use crate::exit;
#[cfg(feature = "live")]
use crate::{output, progress::Progress};

/// Write objects out so that another cluster can take them
///
/// In the order of application: definitions, namespaces, accounts, Secrets, configuration, volumes, claims,
/// roles, services, workloads, custom resources. What a server sets itself is taken out, and what a controller
/// or every cluster makes again is left out; --raw does neither. Secrets are left out, unless --show-secrets
/// is given.
///
///   defib inspect export FILE --select 'ns=apps kind=ConfigMap,PVC' | kubectl apply -f -
///
/// With --dry-run nothing is written: the cluster of the kubeconfig is asked what it would do with each object,
/// and its answers are printed in lines (-o json: as a list).
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The snapshot, database or folder.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A new folder for a tree of files; without it all goes to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only these: 'ns=NAME,… kind=KIND,…'.
    #[arg(long, value_name = "WORDS")]
    select: Vec<String>,
    /// Only this namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Everything as it is in the datastore.
    #[arg(long)]
    raw: bool,
    /// As it was at this revision.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// The form of the objects; json is one line each.
    #[arg(short, long, value_name = "FORM", default_value = "yaml")]
    output: Form,
    /// Secrets too.
    #[arg(long)]
    show_secrets: bool,
    /// Ask a living cluster what it would do with each object (server-side dry run), and write nothing.
    #[arg(long, conflicts_with_all = ["out", "raw"])]
    dry_run: bool,
    #[command(flatten)]
    unlock: super::Unlock,
    #[command(flatten)]
    cluster: Cluster,
}

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Yaml,
    Json,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let mut export = Export {
        raw: args.raw,
        show_secrets: args.show_secrets,
        revision: args.revision,
        namespaces: args.namespace.iter().cloned().collect(),
        ..Export::default()
    };
    for words in &args.select {
        export.select(words).map_err(|word| {
            CliError::new(format!("--select does not know {word}"))
                .hint("it takes namespaces and kinds: --select 'ns=apps kind=Secret,ConfigMap'")
        })?;
    }
    let dead = args.unlock.open(&args.file)?;
    if args.dry_run {
        return rehearsed(args, &dead, &export);
    }
    let done = match &args.out {
        Some(folder) => into_tree(args, &dead, &export, folder)?,
        None => into_stream(args, &dead, &export)?,
    };
    told(&done, args);
    Ok(
        if done.objects == 0 || done.unread > 0 || done.damages > 0 {
            exit::UNKNOWN
        } else {
            exit::HEALTHY
        },
    )
}

/// What a living cluster would do with it; conflicts and refusals are problems.
#[cfg(feature = "live")]
fn rehearsed(
    args: &Args,
    dead: &defib_session::inspect::Dead,
    export: &Export,
) -> Result<u8, CliError> {
    use defib_session::inspect::Outcome;
    let mut progress = Progress::new(false, false);
    let context = match super::super::sources(&[], &args.cluster)?.pop() {
        Some(defib_session::Source::Kube(context)) => context,
        _ => None,
    };
    let options = args.cluster.options();
    let (said, done) = dead.rehearse(export, context, &options, &mut |e| progress.event(e))?;
    drop(progress);
    if args.output == Form::Json {
        output::json(&said)?;
    } else {
        let word = |o: Outcome| match o {
            Outcome::Create => "would be created",
            Outcome::Merge => "is there, would be merged",
            Outcome::Conflict => "CONFLICT",
            Outcome::Later => "later",
            Outcome::Refused => "REFUSED",
            Outcome::Unknown => "not known",
        };
        let mut text = String::new();
        for one in &said {
            let name = match one.namespace.as_str() {
                "" => one.name.clone(),
                namespace => format!("{namespace}/{}", one.name),
            };
            let line = format!("{} {name}: {}", one.kind, word(one.outcome));
            text.push_str(&super::clean(&line));
            if !one.why.is_empty() {
                text.push_str(&format!(
                    "\n  {}",
                    super::clean(&one.why.replace('\n', " "))
                ));
            }
            text.push('\n');
        }
        output::text(&text)?;
    }
    told(&done, args);
    let any = |wanted: &[Outcome]| said.iter().any(|one| wanted.contains(&one.outcome));
    Ok(if any(&[Outcome::Conflict, Outcome::Refused]) {
        exit::PROBLEMS
    } else if done.objects == 0 || done.unread > 0 || done.damages > 0 || any(&[Outcome::Unknown]) {
        exit::UNKNOWN
    } else {
        exit::HEALTHY
    })
}

/// Without the feature `live` nobody can be asked.
#[cfg(not(feature = "live"))]
fn rehearsed(_: &Args, _: &defib_session::inspect::Dead, _: &Export) -> Result<u8, CliError> {
    Err(
        CliError::new("--dry-run asks a living cluster, and this build is without them")
            .hint("export, and ask with kubectl apply --server-side --dry-run=server -f -"),
    )
}

fn into_stream(
    args: &Args,
    dead: &defib_session::inspect::Dead,
    export: &Export,
) -> Result<Exported, CliError> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let make = |object| written(args.output, object);
    let done = dead.export_as(export, make, |_, _, text| {
        if args.output == Form::Yaml {
            out.write_all(b"---\n")?;
        }
        out.write_all(&text?)?;
        Ok::<(), CliError>(())
    })?;
    out.flush()?;
    Ok(done)
}

/// One file per object: `04-secret/apps/db.yaml`. `kubectl apply -R -f DIR` takes them in this order.
fn into_tree(
    args: &Args,
    dead: &defib_session::inspect::Dead,
    export: &Export,
    folder: &Path,
) -> Result<Exported, CliError> {
    let fail = |path: &Path, e: std::io::Error| {
        CliError::new(format!("cannot write {}: {e}", path.display()))
            .hint("name a folder that does not exist yet, or is empty: --out DIR")
    };
    std::fs::create_dir_all(folder).map_err(|e| fail(folder, e))?;
    let mut there = std::fs::read_dir(folder).map_err(|e| fail(folder, e))?;
    if there.next().is_some() {
        return Err(CliError::new(format!("{} is not empty", folder.display()))
            .hint("nothing is overwritten: name another folder with --out DIR"));
    }
    let make = |object| written(args.output, object);
    dead.export_as(export, make, |rank, item, text| {
        let path = place(folder, rank, item, args.output);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| fail(parent, e))?;
        }
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| fail(&path, e))?;
        file.write_all(&text?).map_err(|e| fail(&path, e))
    })
}

fn place(folder: &Path, rank: u8, item: &Item<'_>, form: Form) -> PathBuf {
    let kind = match item.api_version.split_once('/') {
        Some((group, _)) if group.contains('.') && rank == 20 => format!("{}.{group}", item.kind),
        _ => item.kind.to_owned(),
    };
    let mut path = folder.join(format!("{rank:02}-{}", file_name(&kind.to_lowercase())));
    if !item.namespace.is_empty() {
        path.push(file_name(item.namespace));
    }
    let end = if form == Form::Yaml { "yaml" } else { "json" };
    // A key that is no object of Kubernetes has no name of its own.
    let name = if item.name.is_empty() {
        item.key
    } else {
        item.name
    };
    path.push(format!("{}.{end}", file_name(name)));
    path
}

/// Bytes of a file's name without its ending.
const LONGEST: usize = 240;

/// A name as a file's: what could lead out of the folder or hide it is written as %XX.
fn file_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (n, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if n == 0 => out.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    // A file's name may have 255 bytes, its ending included; two that begin alike stay two.
    if out.len() > LONGEST {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        out.truncate(LONGEST - 17);
        out.push_str(&format!("-{:016x}", hasher.finish()));
    }
    out
}

fn written(form: Form, object: Object) -> Result<Vec<u8>, CliError> {
    let no_json = |e: String| CliError::new(format!("cannot write JSON: {e}"));
    Ok(match (form, object) {
        (Form::Yaml, object) => defib_render::yaml::write(&object.into_value()).into_bytes(),
        (Form::Json, Object::Json(mut line)) => {
            // Nearly all are such, and need not be looked at letter by letter.
            let plain = |block: &[u8]| {
                let one = |sure: bool, b: &u8| sure & (b' '..0x7f).contains(b);
                block.iter().fold(true, one)
            };
            let is_plain = line.chunks(64).all(plain);
            line.push(b'\n');
            match is_plain {
                true => line,
                false => {
                    let line = String::from_utf8(line).map_err(|e| no_json(e.to_string()))?;
                    defib_render::json::safe(&line).into_bytes()
                }
            }
        }
        (Form::Json, Object::Value(value)) => {
            let mut line = serde_json::to_string(&value).map_err(|e| no_json(e.to_string()))?;
            line.push('\n');
            defib_render::json::safe(&line).into_bytes()
        }
    })
}

/// What was exported, and what was not, on standard error.
fn told(done: &Exported, args: &Args) {
    if args.dry_run {
        super::tell(&format!(
            "{} objects asked about, nothing was changed",
            done.objects
        ));
    } else {
        super::tell(&format!("{} objects exported", done.objects));
    }
    for (left, count) in &done.left {
        super::tell(&format!("{count} left out: {}", left.what()));
    }
    for (key, why) in &done.examples {
        super::tell(&format!("NOT exported: {key}: {why}"));
    }
    let more = done.unread.saturating_sub(done.examples.len() as u64);
    if more > 0 {
        super::tell(&format!("NOT exported: {more} more"));
    }
    if done.damages > 0 {
        super::tell(&format!(
            "{} places of the file are damaged, so objects may be missing: defib inspect verify {}",
            done.damages,
            super::word(&args.file)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for (name, want) in [
            ("web-0", "web-0"),
            ("..", "%2E."),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("system:node", "system%3Anode"),
            (".hidden", "%2Ehidden"),
        ] {
            assert_eq!(file_name(name), want);
        }
        let long = |end: &str| file_name(&format!("{}{end}", "x".repeat(400)));
        assert!(long("a").len() <= LONGEST);
        assert_ne!(long("a"), long("b"));
    }
}
