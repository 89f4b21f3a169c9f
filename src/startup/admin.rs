//! What is served where tokens are configured: the admin API with its console, on the API's port or its
//! own, and the guard before `/alloc`.

use super::{
    StartError,
    listen::{Setup, bind, listen_with},
};
use crate::{
    actors::Allocation,
    auth::{AllocToken, Entry, Tokens},
    config::Config,
    http::{self, Admin, NewTags, Options},
    storage::{Instance, TagAdministration},
};
use actix_web::dev::Server;
use std::{path::Path, sync::Arc};

/// Reads the tokens of the file, if there is one, and goes on reading them.
fn tokens<T: Entry>(
    file: Option<&Path>,
    key: &'static str,
) -> Result<Option<Arc<Tokens<T>>>, StartError> {
    let Some(file) = file else { return Ok(None) };
    let wrong = |reason| StartError::Config(format!("{key}: {reason}"));
    let tokens = Tokens::read(key, vec![file.to_owned()]).map_err(wrong)?;
    actix_web::rt::spawn(tokens.clone().watch(|_| ()));
    Ok(Some(tokens))
}

/// What is configured besides the API itself; the admin API apart where it has a listener of its own.
pub(super) fn options(
    config: &Config,
    allocation: &Allocation,
    store: Arc<dyn TagAdministration>,
    shared: &Arc<http::Shared>,
    me: &Instance,
) -> Result<(Options, Option<Arc<Admin>>), StartError> {
    let new_tags = config
        .wire
        .cosid
        .then(|| Arc::new(NewTags::new(config, store.clone(), allocation.clone())));
    let alloc_tokens = tokens(config.alloc.tokens_file.as_deref(), "alloc.tokens_file")?;
    let tokens = tokens(config.admin.tokens_file.as_deref(), "admin.tokens_file")?;
    let admin = tokens.map(|tokens| {
        let admin = Arc::new(Admin::new(
            store,
            allocation.clone(),
            tokens,
            alloc_tokens.clone(),
            shared.clone(),
            me.clone(),
            config.admin.knows_others(),
        ));
        let watched = admin.clone();
        actix_web::rt::spawn(async move { watched.watch().await });
        admin
    });
    let (here, apart) = match config.admin.bind {
        None => (admin, None),
        Some(_) => (None, admin),
    };
    let options = Options {
        admin: here,
        alloc_tokens,
        new_tags,
    };
    Ok((options, apart))
}

/// The admin API on `admin.bind`.
pub(super) fn serve_admin(
    setup: &Setup<'_>,
    admin: Option<Arc<Admin>>,
    alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
    shared: Arc<http::Shared>,
) -> Result<Option<Server>, StartError> {
    let (Some(address), Some(admin)) = (setup.config.admin.bind, admin) else {
        return Ok(None);
    };
    let app = move || http::admin_app(shared.clone(), admin.clone(), alloc_tokens.clone());
    let listener = bind(address, "admin.bind")?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the admin API listens");
    }
    listen_with(setup, 1, listener, Arc::default(), app).map(Some)
}
