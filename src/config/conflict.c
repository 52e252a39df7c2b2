#include "config/conflict.h"

#include <errno.h>
#include <stdlib.h>

#include "metadata/registry.h"

int conflict_check(const json_t *specs, struct diag *diag)
{
	static const struct site nowhere = {STR_INIT("us-east-1"), STR_INIT("000000000000")};
	const struct instance_record record = {0};
	size_t n = json_array_size(specs), made = 0;
	struct instance **instances = calloc(n + 1, sizeof *instances);
	int rc = instances ? 0 : diag_set(diag, -ENOMEM, "out of memory");
	while (rc == 0 && made < n) {
		rc = instance_new(json_array_get(specs, made), &record, &nowhere, NULL,
			&instances[made], diag);
		made += rc == 0;
	}
	if (rc == 0) {
		rc = registry_check(instances, n, diag);
	}
	for (size_t i = 0; i < made; i++) {
		instance_free(instances[i]);
	}
	free(instances);
	return rc;
}
