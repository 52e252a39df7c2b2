#include "base/block.h"

block block_of(const char *at, size_t n)
{
	block bytes = {0};
	memcpy(&bytes, at, n);
	return bytes;
}
