#ifndef SANAD_CSQLITE_SHIM_H
#define SANAD_CSQLITE_SHIM_H
#include <sqlite3.h>

/* SQLITE_TRANSIENT is a cast, which Swift cannot import: "copy the bytes before you return". */
static inline int sanad_sqlite_bind_blob_copy(
    sqlite3_stmt *statement, int index, const void *bytes, int count)
{
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

static inline int sanad_sqlite_bind_text_copy(
    sqlite3_stmt *statement, int index, const char *bytes, int count)
{
    return sqlite3_bind_text(statement, index, bytes, count, SQLITE_TRANSIENT);
}

/* sqlite3_db_config is variadic, which Swift cannot call. */
static inline int sanad_sqlite_never_checkpoint_on_close(sqlite3 *connection)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

static inline int sanad_sqlite_defend(sqlite3 *connection)
{
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
}
#endif
