//! The users and groups that a configuration names, looked up when it is read and not at each start:
//! their database may be slow, or down, when a program has to be restarted.

use std::collections::HashMap;

use crate::config::{Config, Program};
use crate::sys::users::{self, Ids};

type Who = (Option<String>, Option<String>);

/// Those of one configuration.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<Who, Result<Option<Ids>, String>>);

impl Identities {
    /// Asks the system.
    pub(super) fn look_up(config: &Config) -> Self {
        let mut found = HashMap::new();
        for program in config.programs.values() {
            let indexes = match &program.launch.attributes.user {
                Some(user) if user.as_plain().is_none() => program.numprocs,
                _ => 1,
            };
            for who in (0..indexes).map(|index| who(program, index)) {
                found
                    .entry(who)
                    .or_insert_with_key(|who| users::resolve(who.0.as_deref(), who.1.as_deref()));
            }
        }
        Self(found)
    }

    /// Who a process of the program is to be.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn of(&self, program: &Program, index: u32) -> Result<Option<&Ids>, String> {
        let attributes = &program.launch.attributes;
        if attributes.user.is_none() && attributes.group.is_none() {
            return Ok(None);
        }
        match self.0.get(&who(program, index)) {
            Some(Ok(ids)) => Ok(ids.as_ref()),
            Some(Err(error)) => Err(error.clone()),
            // Nobody is as good as root: what was not looked up is not started.
            None => Err("its user was not looked up".to_owned()),
        }
    }
}

fn who(program: &Program, index: u32) -> Who {
    let user = program.launch.attributes.user.as_ref().map(|user| {
        // A user's name may hold the index, but not the process's name, which changes.
        user.expand(index, &format!("{}:{index}", program.name))
    });
    (user, program.launch.attributes.group.clone())
}
