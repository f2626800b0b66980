//! Users and groups, as the system's databases know them.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// Who a process is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Of a `user`: name, home and shell.
    pub account: Option<Account>,
}

/// What the environment tells of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its home folder.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// This process's user id.
pub fn me() -> u32 {
    Uid::effective().as_raw()
}

/// This process's group id.
pub fn my_group() -> u32 {
    Gid::effective().as_raw()
}

/// The name of a user id.
pub fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

/// The same, or the number of one who has none.
pub fn called(uid: u32) -> String {
    name_of(uid).unwrap_or_else(|| uid.to_string())
}

/// The id of a user's name, or of the number itself.
pub fn uid_of(user: &str) -> Option<u32> {
    known_user(user).ok().map(|(uid, _)| uid)
}

/// Who `user` and `group`, names or ids, are together.
///
/// # Errors
/// What is missing, in words.
pub fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Option<Ids>, String> {
    let account = user.map(known_user).transpose()?;
    let group = group.map(known_group).transpose()?;
    Ok(match (account, group) {
        (None, None) => None,
        (None, Some(gid)) => Some(Ids { uid: me(), gid, groups: current_groups(), account: None }),
        (Some((uid, None)), gid) => {
            let gid = gid.ok_or_else(|| {
                format!("user {uid} has no entry in the user database: name its group as well")
            })?;
            Some(Ids { uid, gid, groups: vec![gid], account: None })
        }
        (Some((uid, Some(user))), gid) => {
            let gid = gid.unwrap_or(user.gid.as_raw());
            let groups = groups_of(&user.name, gid);
            let account = Some(Account {
                name: user.name,
                home: user.dir.to_string_lossy().into_owned(),
                shell: user.shell.to_string_lossy().into_owned(),
            });
            Some(Ids { uid, gid, groups, account })
        }
    })
}

/// No id: setresuid(2) and setresgid(2) take it for "as it is", which may be root's.
const UNCHANGED: u32 = u32::MAX;

fn known_user(name: &str) -> Result<(u32, Option<User>), String> {
    match find(name) {
        Some(user) => Ok((user.uid.as_raw(), Some(user))),
        None => match name.parse().ok().filter(|uid| *uid != UNCHANGED) {
            Some(uid) => Ok((uid, None)),
            None => Err(format!("no such user: {name}")),
        },
    }
}

/// A name first: some systems have users whose names are numbers.
fn find(name: &str) -> Option<User> {
    let by_id = |uid| User::from_uid(Uid::from_raw(uid)).ok().flatten();
    User::from_name(name).ok().flatten().or_else(|| name.parse().ok().and_then(by_id))
}

fn known_group(name: &str) -> Result<u32, String> {
    let found = Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
    let by_id = || name.parse().ok().filter(|gid| *gid != UNCHANGED);
    found.or_else(by_id).ok_or_else(|| format!("no such group: {name}"))
}

fn groups_of(name: &str, gid: u32) -> Vec<u32> {
    let name = CString::new(name).unwrap_or_default();
    let groups = getgrouplist(&name, Gid::from_raw(gid)).unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

fn current_groups() -> Vec<u32> {
    nix::unistd::getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_that_means_as_it_is_is_nobodys() {
        let (unchanged, no_user) = ("4294967295", "no such user: 4294967295");
        assert_eq!(resolve(Some(unchanged), Some("7")).unwrap_err(), no_user);
        assert_eq!(resolve(Some("7"), Some(unchanged)).unwrap_err(), "no such group: 4294967295");
        assert!(resolve(Some("4294967294"), Some("4294967294")).unwrap().is_some());
        assert_eq!(uid_of(unchanged), None);
    }
}
