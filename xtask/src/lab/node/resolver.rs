//! The resolver of the lab's network, on the bridge: without one the cluster's DNS has nobody to ask, which would be a
//! fault. It knows the nodes and says of all else that it is not there.
//! Deliberately absent: a way outside; there is none.

use std::fs;
use std::path::Path;

use super::ground::{GATEWAY, Ground};
use super::open::Plan;
use crate::lab::LabError;
use crate::lab::cache::Programs;
use crate::lab::error::file;
use crate::lab::parts::COREDNS;

/// It ends with the lab's first process, as all in its namespaces.
const START: &str = r#""$1" -conf "$2" > "$3" 2>&1 < /dev/null &"#;

/// Starts it.
pub(super) fn start(
    ground: &Ground,
    plan: &Plan,
    dir: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LabError> {
    let program = Programs::one(&COREDNS, tell)?;
    let settings = dir.join("resolver.conf");
    fs::write(&settings, config(plan)).map_err(file("write", &settings))?;
    let log = dir.join("resolver.log");
    ground
        .script(START, [&program, &settings, &log])
        .map(|_| ())
}

fn config(plan: &Plan) -> String {
    // A zone per node: within one zone `template` is asked before `hosts`, whatever their order here.
    let mut text = format!(
        ". {{\n  bind {GATEWAY}\n  errors\n  template ANY ANY {{\n    rcode NXDOMAIN\n  }}\n}}\n"
    );
    for seat in &plan.seats {
        text.push_str(&format!(
            "{name} {{\n  bind {GATEWAY}\n  errors\n  hosts {{\n    {} {name}\n  }}\n}}\n",
            seat.address,
            name = seat.host
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_nodes() {
        let text = config(&Plan::new(1, 1, false, "secret".into()));
        assert!(text.contains("198.51.100.12 n2\n"), "{text}");
        assert!(!text.contains("secret"));
    }
}
