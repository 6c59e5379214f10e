//! [`fits_in_memory`]: refuses a model that the machine cannot hold, before anything is loaded.

use crate::contract::ModelError;
use std::path::Path;

/// What a model needs and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFit {
    /// Bytes of weights, cache and working space.
    pub needed_bytes: u64,
    /// Bytes that can be had without swapping; `None` where the system does not tell.
    pub available_bytes: Option<u64>,
}

/// Compares what the model at `path` needs (the tensor engine's `Footprint` tells it) with what the
/// machine and the control group have left.
///
/// # Errors
/// [`ModelError::OutOfMemory`] when it does not fit.
pub fn fits_in_memory(path: &Path, needed_bytes: u64) -> Result<MemoryFit, ModelError> {
    let available_bytes = available_memory();
    match available_bytes {
        Some(available_bytes) if needed_bytes > available_bytes => Err(ModelError::OutOfMemory {
            what: format!("the model {}", path.display()),
            needed_bytes,
            available_bytes,
        }),
        _ => Ok(MemoryFit {
            needed_bytes,
            available_bytes,
        }),
    }
}

/// Bytes that can be had without swapping: the machine's, or what the control group leaves of them.
#[must_use]
pub fn available_memory() -> Option<u64> {
    if cfg!(target_os = "macos") {
        return physical_memory_of_macos();
    }
    available_below(Path::new("/"))
}

/// macOS gives memory back under pressure in ways that no counter tells; the machine's size is the
/// bound.
fn physical_memory_of_macos() -> Option<u64> {
    let answer = std::process::Command::new("/usr/sbin/sysctl")
        .args(["-n", "hw.memsize"])
        .output()
        .ok()?;
    String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
}

/// As [`available_memory`] on Linux, with the files of another root (for tests).
fn available_below(root: &Path) -> Option<u64> {
    let machine = meminfo(&read(&root.join("proc/meminfo"))?);
    let group = read(&root.join("proc/self/cgroup")).and_then(|groups| {
        let left = groups.lines().filter_map(|line| left_in_group(root, line));
        left.min()
    });
    match (machine, group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// What the group of one line of /proc/self/cgroup, and the groups above it, leave.
fn left_in_group(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let (base, names) = if hierarchy == "0" {
        (
            "sys/fs/cgroup",
            ["memory.max", "memory.current", "inactive_file"],
        )
    } else if controllers.split(',').any(|name| name == "memory") {
        let names = [
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ];
        ("sys/fs/cgroup/memory", names)
    } else {
        return None;
    };
    // In a container the path may be the host's and lie nowhere here; the root then counts.
    let base = root.join(base);
    let groups = Path::new(group.trim_start_matches('/')).ancestors();
    let left = groups.filter_map(|group| left_in(&base.join(group), names));
    left.min()
}

/// What one group leaves: its limit, less what it uses and cannot drop at once. `None` without a
/// limit.
fn left_in(group: &Path, [limit, usage, droppable]: [&str; 3]) -> Option<u64> {
    let limit: u64 = read(&group.join(limit))?.trim().parse().ok()?;
    // The first version writes "no limit" as the largest multiple of a page.
    if limit >= i64::MAX as u64 / 2 {
        return None;
    }
    let usage: u64 = read(&group.join(usage))?.trim().parse().ok()?;
    let droppable = read(&group.join("memory.stat")).and_then(|stat| {
        let value = stat.lines().find_map(|line| {
            let (name, value) = line.split_once(' ')?;
            (name == droppable).then_some(value)
        });
        value?.parse::<u64>().ok()
    });
    let kept = usage.saturating_sub(droppable.unwrap_or(0));
    Some(limit.saturating_sub(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       8000 kB\nMemAvailable:   6000 kB\n",
    );

    #[test]
    fn without_a_group_the_machine_counts() {
        let root = machine(&[MEMINFO, ("proc/self/cgroup", "0::/user\n")]);
        assert_eq!(available_below(root.path()), Some(6_144_000));
    }

    #[test]
    fn the_tightest_group_above_counts() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/pod/box\n"),
            ("sys/fs/cgroup/pod/box/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/memory.max", "1000000\n"),
            ("sys/fs/cgroup/pod/memory.current", "700000\n"),
            (
                "sys/fs/cgroup/pod/memory.stat",
                "anon 1\ninactive_file 200000\n",
            ),
        ]);
        assert_eq!(available_below(root.path()), Some(500_000));
    }

    #[test]
    fn groups_of_the_first_version_count() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n"),
            // The container sees its own group as the root.
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n"),
        ]);
        assert_eq!(available_below(root.path()), Some(1_500_000));
    }

    #[test]
    fn no_limit_of_the_first_version_is_no_limit() {
        let root = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n"),
        ]);
        assert_eq!(available_below(root.path()), Some(6_144_000));
    }
}
