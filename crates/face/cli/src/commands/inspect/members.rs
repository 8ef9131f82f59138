//! `defib inspect members`.

use super::{Form, Place};
use crate::error::CliError;
use crate::{exit, output};

/// Show who belongs to the etcd cluster, as the file knows it
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
}

pub fn run(args: &Args) -> Result<u8, CliError> {
    let file = &args.place.file;
    let dead = super::open(file)?;
    let Some(said) = dead.members() else {
        return Err(CliError::new(format!(
            "{} is kine's: the file of one server, which has no members",
            dead.path.display()
        ))
        .hint(format!(
            "which servers there were: defib inspect ls {} --kind node",
            super::word(file)
        )));
    };
    match args.place.output {
        Form::Json => output::json(&said)?,
        Form::Yaml => output::yaml(&said)?,
        Form::Text => {
            let rows: Vec<Vec<String>> = said
                .members
                .iter()
                .map(|m| {
                    vec![
                        m.id.clone(),
                        match m.name.as_str() {
                            "" if m.role != "removed" => "(never started)".into(),
                            name => super::clean(name).into_owned(),
                        },
                        m.role.to_owned(),
                        super::clean(&m.peer_urls.join(",")).into_owned(),
                        m.alarms.join(","),
                    ]
                })
                .collect();
            let mut text = super::table(&["ID", "NAME", "ROLE", "PEER URLS", "ALARMS"], &rows);
            let voters = said.members.iter().filter(|m| m.role == "voter").count();
            text.push_str(&format!(
                "\n{voters} voters: {} of them must live\n",
                said.majority
            ));
            let or = |v: &Option<String>, none: &str| {
                super::clean(v.as_deref().unwrap_or(none)).into_owned()
            };
            text.push_str(&format!(
                "cluster version {}, storage version {}\n",
                or(&said.cluster_version, "unknown"),
                or(&said.storage_version, "not written (etcd before 3.6)")
            ));
            if let (Some(index), Some(term)) = (said.consistent_index, said.term) {
                text.push_str(&format!(
                    "last entry of the log in the file: {index}, of term {term}\n"
                ));
            }
            if let (Some(id), Some(cluster)) = (&said.id, &said.cluster_id) {
                text.push_str(&format!("this is member {id} of cluster {cluster}\n"));
            }
            output::text(&text)?;
        }
    }
    if said.members.is_empty() {
        super::tell(
            "no members are written in it: a snapshot that was restored once has them again after its first start",
        );
        return Ok(exit::UNKNOWN);
    }
    if said.damages > 0 {
        super::tell(&format!(
            "{} places are damaged: a member may be missing. See them: defib inspect verify {}",
            said.damages,
            super::word(file)
        ));
        return Ok(exit::UNKNOWN);
    }
    Ok(exit::HEALTHY)
}
