//! The only place where stages meet: collect → read → diagnose, and the quotations afterwards.
//!
//! Deliberately absent: printing, arguments, exit codes (the faces).

pub mod inspect;
mod narrow;
mod source;

use std::io::Read;
use std::path::PathBuf;

use defib_collect::{CollectError, Collection, Sink, Writer, content_hash};
use defib_model::bundle::{Bundle, Entry};
use defib_model::report::Report;
use defib_read::{Reader, SignalSet, quote};

pub use defib_collect::CollectError as Error;
pub use defib_diagnose::{Page, pages};
pub use defib_model::report::Verdict;
pub use source::{Source, SourceError};

/// All signals that logs are searched for.
pub fn signals() -> impl Iterator<Item = &'static defib_model::signal::Signal> {
    defib_diagnose::signals::all()
}

/// Version of this tool.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What happens meanwhile; faces show it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stage begins.
    Stage(&'static str),
    /// Something is being read.
    Reading(String),
}

/// Settings of one run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Overrides the time of the evidence.
    pub as_of: Option<defib_model::Timestamp>,
    /// A kubeconfig file for living clusters.
    pub kubeconfig: Option<PathBuf>,
    /// Only what concerns this namespace.
    pub namespace: Option<String>,
    /// Seconds that one question to a cluster may take.
    pub timeout: Option<u64>,
}

/// Reaches an API server, and asks. The runtime lives as long as the questions do.
#[cfg(feature = "live")]
fn with_api<T>(
    context: Option<String>,
    options: &Options,
    ask: impl AsyncFnOnce(&defib_reach::KubeApi) -> Result<T, CollectError>,
) -> Result<T, CollectError> {
    let failed = |why: String| CollectError::Cluster { why };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| failed(e.to_string()))?;
    let wanted = defib_reach::KubeOptions {
        kubeconfig: options.kubeconfig.clone(),
        context,
        timeout: options.timeout.map(std::time::Duration::from_secs),
    };
    let asked = runtime.block_on(async {
        let api = defib_reach::KubeApi::connect(&wanted)
            .await
            .map_err(|e| match e {
                defib_reach::ReachError::Kubeconfig(why) => CollectError::Kubeconfig { why },
                other => failed(other.to_string()),
            })?;
        ask(&api).await
    });
    // A name that is still being resolved must not keep us: nobody waits for its answer any more.
    runtime.shutdown_background();
    asked
}

/// Asks a living cluster.
#[cfg(feature = "live")]
fn kube(
    collection: &mut Collection<'_>,
    source: &Source,
    context: Option<String>,
    options: &Options,
    events: &mut dyn FnMut(Event),
) -> Result<(), CollectError> {
    with_api(context, options, async |api| {
        let uri = if api.context.is_empty() {
            source.to_string()
        } else {
            format!("kube:{}", api.context)
        };
        defib_collect::cluster(collection, api, &uri, |done| events(Event::Reading(done))).await
    })
}

/// Without the feature `live` a living cluster is a source that is not read.
#[cfg(not(feature = "live"))]
fn kube(
    _: &mut Collection<'_>,
    source: &Source,
    _: Option<String>,
    _: &Options,
    _: &mut dyn FnMut(Event),
) -> Result<(), CollectError> {
    Err(CollectError::NotYet {
        what: format!("{source} (this build is without living clusters)"),
    })
}

struct IntoReader<'r, 's>(&'r mut Reader<'s>);

impl Sink for IntoReader<'_, '_> {
    fn entry(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), CollectError> {
        self.0.entry(entry, bytes);
        Ok(())
    }

    fn open(&mut self, entry: &Entry) -> Result<(), CollectError> {
        self.0.open(entry);
        Ok(())
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), CollectError> {
        self.0.piece(bytes);
        Ok(())
    }

    fn close(&mut self, _: &Entry) -> Result<(), CollectError> {
        self.0.close();
        Ok(())
    }
}

fn gather(
    collection: &mut Collection<'_>,
    sources: &[Source],
    options: &Options,
    stdin: &mut dyn Read,
    events: &mut dyn FnMut(Event),
) -> Result<(), CollectError> {
    for source in sources {
        events(Event::Reading(source.to_string()));
        match source {
            Source::Path(path) => {
                defib_collect::tree(collection, path)?;
                inspect::evidence(collection, events)?;
            }
            Source::Stdin => defib_collect::stdin(collection, stdin)?,
            Source::Kube(context) => kube(collection, source, context.clone(), options, events)?,
        }
    }
    Ok(())
}

/// Collects and judges.
///
/// # Errors
/// When a source can't be read at all.
pub fn diagnose(
    sources: &[Source],
    options: &Options,
    stdin: &mut dyn Read,
    events: &mut dyn FnMut(Event),
) -> Result<Report, CollectError> {
    let signals = SignalSet::new(defib_diagnose::signals::all());
    let mut reader = Reader::new(&signals);
    events(Event::Stage("collect"));
    let (bundle, store) = {
        let mut sink = IntoReader(&mut reader);
        let mut collection = Collection::new(VERSION, vec![&mut sink]);
        gather(&mut collection, sources, options, stdin, events)?;
        collection.finish()
    };
    events(Event::Stage("read"));
    let mut cluster = reader.finish(&bundle);
    if let Some(time) = options.as_of {
        cluster.as_of = Some(time);
        cluster.now_known = true;
    }
    events(Event::Stage("diagnose"));
    let mut report = defib_diagnose::diagnose(&cluster, &content_hash(&bundle), VERSION);
    if let Some(namespace) = &options.namespace {
        narrow::narrow(&mut report, namespace);
    }
    let wanted = quote::entries(&mut report);
    store.read(&wanted, |index, bytes| {
        quote::fill(&mut report, index, bytes)
    });
    quote::join(&mut report);
    Ok(report)
}

/// Collects into a bundle file; the manifest is the answer.
///
/// # Errors
/// When a source can't be read at all, or the file can't be written.
pub fn collect(
    sources: &[Source],
    options: &Options,
    out: &std::path::Path,
    stdin: &mut dyn Read,
    events: &mut dyn FnMut(Event),
) -> Result<Bundle, CollectError> {
    let mut writer = Writer::new(out)?;
    let bundle = {
        let mut collection = Collection::new(VERSION, vec![&mut writer]);
        events(Event::Stage("collect"));
        gather(&mut collection, sources, options, stdin, events)?;
        collection.finish().0
    };
    events(Event::Stage("write"));
    writer.finish(bundle.clone())?;
    Ok(bundle)
}
