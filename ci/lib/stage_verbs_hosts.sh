# Jobs over RDMA across two hosts: two guests, each with a kernel and a Soft-RoCE device, two nodes on each.
# Then over a link that loses and delays packets: slower, with the same results. After what stage_verbs.sh
# comes after.
stage_verbs_hosts() {
  local guests=(--guests 2 --cpus 1 --memory 2048)
  build_for_guests
  check "lost-atomics compiles for the guests" \
    gcc -O2 -Wall -Wextra -Werror -o out/verbs/lost-atomics ci/fixtures/lost-atomics.c -libverbs
  tally_stream "across two hosts" ci/softroce --timeout 900 "${guests[@]}" -- \
    ci/lib/guest/verbs_hosts.sh "$PWD/out/verbs"
  tally_stream "across two hosts, over a lossy link" ci/softroce --timeout 1200 "${guests[@]}" \
    --netem 'loss 2% delay 1ms' -- ci/lib/guest/verbs_hosts.sh "$PWD/out/verbs" lossy
}
