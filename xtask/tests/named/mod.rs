//! What `diagnose` names of a recording.
//! Deliberately absent: whether that is right.

use std::path::Path;

use defib_session::{Options, Source};
use libtest_mimic::Failed;

/// The classes of the root causes, each once.
pub fn causes(recording: &Path) -> Result<Vec<String>, Failed> {
    let sources = [Source::Path(recording.to_owned())];
    let report = defib_session::diagnose(
        &sources,
        &Options::default(),
        &mut std::io::empty(),
        &mut |_| {},
    )?;
    let mut classes: Vec<String> = report.root_causes.into_iter().map(|c| c.class).collect();
    classes.sort();
    classes.dedup();
    Ok(classes)
}
