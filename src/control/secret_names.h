/*
 * secret_names - what the small values in the store are called.
 *
 * Layer:   control
 * Threads: constant
 * Memory:  none
 * Secrets: none: only their names
 * Limits:  none
 * Spec:    store/store.h, secret_put()
 */
#ifndef TELLTALE_CONTROL_SECRET_NAMES_H
#define TELLTALE_CONTROL_SECRET_NAMES_H

#define SECRET_TOKEN       "token-secret"        /* control/token_secrets.h */
#define SECRET_SIGNING_KEY "signing-key"         /* of identity documents */
#define SECRET_CERTIFICATE "signing-certificate" /* that verifies them; PEM */
#define SECRET_DEFAULTS    "metadata-defaults"   /* what the account prefers; JSON */

#endif
