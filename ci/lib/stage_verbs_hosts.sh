# Jobs over RDMA across two hosts: two guests, each with a kernel and a Soft-RoCE device, two nodes on each. Then over a
# link that loses and delays packets: slower, with the same results. After what stage_verbs.sh comes after.
stage_verbs_hosts() {
  verbs_products
  check "lost-atomics compiles for the guests" \
    gcc -O2 -Wall -Wextra -Werror -o out/verbs/lost-atomics ci/fixtures/lost-atomics.c -libverbs
  softroce_checks "across two hosts" 900 --guests 2 --cpus 1 --memory 2048 -- \
    ci/lib/guest/verbs_hosts.sh "$PWD/out/verbs"
  softroce_checks "across two hosts, over a lossy link" 1200 --guests 2 --cpus 1 --memory 2048 \
    --netem 'loss 2% delay 1ms' -- ci/lib/guest/verbs_hosts.sh "$PWD/out/verbs" lossy
}
