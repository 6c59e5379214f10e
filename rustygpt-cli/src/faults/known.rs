//! The faults, each found in the [`Facts`] alone.

use super::facts::{Facts, Port};
use super::{Fault, Finding, Severity};
use crate::output::human_bytes;

/// Every fault that is looked for, the gravest first.
pub(crate) static FAULTS: [Fault; 17] = [
    Fault {
        name: "config-invalid",
        find: config_invalid,
    },
    Fault {
        name: "data-folder-not-writable",
        find: data_folder,
    },
    Fault {
        name: "key-file-unsafe",
        find: key_file,
    },
    Fault {
        name: "public-without-key",
        find: public_without_key,
    },
    Fault {
        name: "tls-unusable",
        find: tls,
    },
    Fault {
        name: "port-in-use",
        find: port,
    },
    Fault {
        name: "model-broken",
        find: broken_model,
    },
    Fault {
        name: "no-model",
        find: no_model,
    },
    Fault {
        name: "memory-too-small",
        find: memory,
    },
    Fault {
        name: "disk-nearly-full",
        find: disk,
    },
    Fault {
        name: "cpu-too-old",
        find: cpu,
    },
    Fault {
        name: "clock-wrong",
        find: clock,
    },
    Fault {
        name: "too-few-open-files",
        find: open_files,
    },
    Fault {
        name: "proxy-in-the-way",
        find: proxy,
    },
    Fault {
        name: "offline-but-hub-configured",
        find: offline,
    },
    Fault {
        name: "unknown-variable",
        find: unknown_variable,
    },
    Fault {
        name: "swap-instead-of-memory",
        find: swap,
    },
];

/// Below this a download or a log may fail at any moment.
const LEAST_DISK: u64 = 1 << 30;
/// Each connection is a file; the engine and the weights need a few.
const LEAST_OPEN_FILES: u64 = 512;
/// The code is younger than this: 2026-01-01.
const EARLIEST_NOW: u64 = 1_767_225_600;
/// No certificate lives so long: 2100-01-01.
const LATEST_NOW: u64 = 4_102_444_800;
/// A cache and the work of a step, beside the weights, in parts of a hundred of the weights.
const MEMORY_BESIDE_WEIGHTS_PERCENT: u64 = 15;

fn error(what: String, remedy: impl Into<String>) -> Option<Finding> {
    Some(Finding {
        severity: Severity::Error,
        what,
        remedy: remedy.into(),
    })
}

fn warning(what: String, remedy: impl Into<String>) -> Option<Finding> {
    Some(Finding {
        severity: Severity::Warning,
        what,
        remedy: remedy.into(),
    })
}

fn config_invalid(facts: &Facts) -> Option<Finding> {
    let reason = facts.config_error.as_ref()?;
    error(
        reason.clone(),
        "correct the setting; docs/configuration.md lists them all",
    )
}

fn data_folder(facts: &Facts) -> Option<Finding> {
    let reason = facts.data_folder_error.as_ref()?;
    error(
        format!(
            "the data folder {} cannot be written: {reason}",
            facts.data_folder.display()
        ),
        "make it yours (chown), or choose another by --data-dir",
    )
}

fn key_file(facts: &Facts) -> Option<Finding> {
    let reason = facts.key_error.as_ref()?;
    error(
        reason.clone(),
        "make the file private, or delete it: the server makes a new one",
    )
}

fn public_without_key(facts: &Facts) -> Option<Finding> {
    if facts.host.is_loopback() || facts.has_explicit_key {
        return None;
    }
    error(
        format!(
            "the server is to listen on {}, which others can reach, without a key",
            facts.host
        ),
        "choose a key (RUSTYGPT_API_KEY), or listen on 127.0.0.1",
    )
}

fn tls(facts: &Facts) -> Option<Finding> {
    let reason = facts.tls_error.as_ref()?;
    error(
        reason.clone(),
        "renew the certificate, or name the right files by --tls-cert, --tls-key",
    )
}

fn port(facts: &Facts) -> Option<Finding> {
    match &facts.port {
        Port::Free | Port::Ours => None,
        Port::Taken(reason) => error(
            format!("{} cannot be listened on: {reason}", facts.address()),
            "stop the program that uses the port, or choose another by --port (0 takes a free one)",
        ),
    }
}

fn broken_model(facts: &Facts) -> Option<Finding> {
    let mut broken = facts
        .models
        .iter()
        .filter_map(|model| Some((&model.path, model.error.as_ref()?)));
    let (path, reason) = broken.next()?;
    let what = if reason.contains(&path.display().to_string()) {
        reason.clone()
    } else {
        format!("{}: {reason}", path.display())
    };
    error(what, "download it again (rustygpt pull), or delete it")
}

fn no_model(facts: &Facts) -> Option<Finding> {
    if !facts.models.is_empty() {
        return None;
    }
    warning(
        format!("there is no model in {}", facts.models_folder.display()),
        "get one: rustygpt pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
    )
}

fn memory(facts: &Facts) -> Option<Finding> {
    let available = facts.memory?;
    let needed = |bytes: u64| bytes + bytes / 100 * MEMORY_BESIDE_WEIGHTS_PERCENT;
    let largest = facts.models.iter().max_by_key(|model| model.weight_bytes)?;
    let needed = needed(largest.weight_bytes);
    if needed <= available {
        return None;
    }
    warning(
        format!(
            "{} needs about {}, {} of memory are available",
            largest.path.display(),
            human_bytes(needed),
            human_bytes(available)
        ),
        "close other programs, or take a smaller model or quantisation",
    )
}

fn swap(facts: &Facts) -> Option<Finding> {
    let (available, swap_used) = (facts.memory?, facts.swap_used?);
    if swap_used <= available / 2 || swap_used < LEAST_DISK {
        return None;
    }
    warning(
        format!(
            "{} of memory lie on the disk (swap)",
            human_bytes(swap_used)
        ),
        "close other programs: a model that is swapped out is many times slower",
    )
}

fn disk(facts: &Facts) -> Option<Finding> {
    let free = facts.disk_free.filter(|free| *free < LEAST_DISK)?;
    warning(
        format!(
            "the disk of {} has {} free",
            facts.data_folder.display(),
            human_bytes(free)
        ),
        "make room; models can be deleted by: rustygpt models delete",
    )
}

fn cpu(facts: &Facts) -> Option<Finding> {
    let missing = facts.missing_cpu_features.join(", ");
    if missing.is_empty() {
        return None;
    }
    warning(
        format!("this processor lacks {missing}"),
        "models run, but several times slower than they could; a virtual machine may hide what \
         its host has (choose the CPU type 'host')",
    )
}

fn clock(facts: &Facts) -> Option<Finding> {
    if (EARLIEST_NOW..LATEST_NOW).contains(&facts.now) {
        return None;
    }
    warning(
        format!(
            "the clock says {} seconds since 1970, which cannot be",
            facts.now
        ),
        "set the clock (timedatectl set-ntp true): certificates and logs depend on it",
    )
}

fn open_files(facts: &Facts) -> Option<Finding> {
    let limit = facts.open_files.filter(|limit| *limit < LEAST_OPEN_FILES)?;
    warning(
        format!("only {limit} files may be open at once; each connection is one"),
        "raise the limit: ulimit -n 4096, or LimitNOFILE= in the service",
    )
}

fn proxy(facts: &Facts) -> Option<Finding> {
    let variable = facts.proxy.as_ref()?;
    warning(
        format!("{variable} is set and NO_PROXY does not name this computer"),
        "export NO_PROXY=localhost,127.0.0.1,::1   Else clients send your prompts to the proxy",
    )
}

fn offline(facts: &Facts) -> Option<Finding> {
    if !facts.offline || !facts.hub_is_configured {
        return None;
    }
    warning(
        "offline is on, but Hugging Face is configured (HF_TOKEN or HF_ENDPOINT)".to_owned(),
        "switch offline off to use `pull`, or remove the token, which nothing needs",
    )
}

fn unknown_variable(facts: &Facts) -> Option<Finding> {
    let (name, nearest) = facts.unknown_variables.first()?;
    warning(
        format!("the environment sets {name}, which is no setting"),
        format!("did you mean {nearest}?"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::facts::ModelFact;
    use super::super::findings;
    use super::*;
    use std::path::PathBuf;

    fn names(facts: &Facts) -> Vec<&'static str> {
        findings(facts).into_iter().map(|(name, _)| name).collect()
    }

    fn model(weight_bytes: u64, error: Option<&str>) -> ModelFact {
        ModelFact {
            path: PathBuf::from("/m/a.gguf"),
            weight_bytes,
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn a_healthy_machine_has_no_fault() {
        assert_eq!(names(&Facts::healthy()), Vec::<&str>::new());
    }

    type Change = fn(&mut Facts);

    #[test]
    fn each_fault_is_found_and_no_other() {
        let cases: [(&str, Change); 17] = [
            ("config-invalid", |f| {
                f.config_error = Some("unknown setting 'prot'".to_owned());
            }),
            ("data-folder-not-writable", |f| {
                f.data_folder_error = Some("read-only".to_owned());
            }),
            ("key-file-unsafe", |f| {
                f.key_error = Some("mode 644".to_owned());
            }),
            ("public-without-key", |f| f.host = [0, 0, 0, 0].into()),
            ("tls-unusable", |f| f.tls_error = Some("expired".to_owned())),
            ("port-in-use", |f| {
                f.port = Port::Taken("address in use".to_owned());
            }),
            ("model-broken", |f| {
                f.models.push(model(1, Some("not a GGUF file")));
            }),
            ("no-model", |f| f.models.clear()),
            ("memory-too-small", |f| f.models.push(model(63 << 30, None))),
            ("disk-nearly-full", |f| f.disk_free = Some(1 << 20)),
            ("cpu-too-old", |f| f.missing_cpu_features = vec!["AVX2"]),
            ("clock-wrong", |f| f.now = 0),
            ("too-few-open-files", |f| f.open_files = Some(64)),
            ("proxy-in-the-way", |f| {
                f.proxy = Some("http_proxy".to_owned());
            }),
            ("offline-but-hub-configured", |f| {
                (f.offline, f.hub_is_configured) = (true, true);
            }),
            ("unknown-variable", |f| {
                let pair = ("RUSTYGPT_PROT".to_owned(), "RUSTYGPT_PORT".to_owned());
                f.unknown_variables.push(pair);
            }),
            ("swap-instead-of-memory", |f| f.swap_used = Some(60 << 30)),
        ];
        let known: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
        let tried: Vec<_> = cases.iter().map(|(name, _)| *name).collect();
        assert_eq!(known, tried, "every fault is tried");
        for (name, break_it) in cases {
            let mut facts = Facts::healthy();
            break_it(&mut facts);
            assert_eq!(names(&facts), [name]);
        }
    }
}
