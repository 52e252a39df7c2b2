#include "config/config.h"

/* Every loopback caller is this instance; the key and the credentials are made up. */
static const char sample[] =
	"# One realistic instance. Options that are not named have their defaults.\n"
	"instances:\n"
	"  - name: web-1\n"
	"    match: {addresses: [127.0.0.0/8, \"::1\"]}\n"
	"    blueprintId: debian_12\n"
	"    bundleId: nano_3_0\n"
	"    location: {availabilityZone: us-east-1a}\n"
	"    metadataOptions: {httpProtocolIpv6: enabled}\n"
	"    privateIpAddress: 172.26.2.10\n"
	"    publicIpAddress: 203.0.113.10\n"
	"    ipv6Addresses: [\"2001:db8:1f16:67f:f201::10\"]\n"
	"    tags: {Name: web-1, env: dev}\n"
	"    publicKeys:\n"
	"      my-key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0/06WHXxrWYfbf8Gvjjm96hSNqLyH3ddPlAeHHXARl me\n"
	"    userData: |\n"
	"      #cloud-config\n"
	"      hostname: web-1\n"
	"      packages: [nginx]\n"
	"    role:\n"
	"      name: AmazonLightsailInstanceRole\n"
	"      credentials:\n"
	"        accessKeyId: ASIAIOSFODNN7EXAMPLE\n"
	"        secretAccessKey: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
	"        token: IQoJb3JpZ2luX2VjEXAMPLETOKENthatOpensNothing/////////wEaCXVzLWVhc3QtMSJIMEYCIQExample==\n";

struct str config_sample(void)
{
	return (struct str){sample, sizeof sample - 1};
}
