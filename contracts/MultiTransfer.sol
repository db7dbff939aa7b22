// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title One transaction that pays many: the two functions of Golem's MultiTransfer contract that the Hive
/// calls, for the development chain. On real chains the Hive calls Golem's own contract.
/// @dev A payment is one word: 20 bytes of address, then 12 bytes of amount in 10^-18 GLM. The payer must have
/// allowed this contract to move so much. All of it happens, or nothing.
contract MultiTransfer {
    IERC20 public immutable GLM;

    error NotPaid(address recipient, uint256 amount);
    error WrongTotal(uint256 given, uint256 added);

    constructor(IERC20 token) {
        GLM = token;
    }

    /// @notice Moves GLM from the caller to each recipient.
    function golemTransferDirectPacked(bytes32[] calldata payments) external {
        for (uint256 i = 0; i < payments.length; ++i) {
            (address recipient, uint256 amount) = unpack(payments[i]);
            if (!GLM.transferFrom(msg.sender, recipient, amount)) revert NotPaid(recipient, amount);
        }
    }

    /// @notice Moves the total from the caller to this contract, and from here to each recipient.
    function golemTransferIndirectPacked(bytes32[] calldata payments, uint256 total) external {
        if (!GLM.transferFrom(msg.sender, address(this), total)) revert NotPaid(address(this), total);
        uint256 added = 0;
        for (uint256 i = 0; i < payments.length; ++i) {
            (address recipient, uint256 amount) = unpack(payments[i]);
            added += amount;
            if (!GLM.transfer(recipient, amount)) revert NotPaid(recipient, amount);
        }
        if (added != total) revert WrongTotal(total, added);
    }

    function unpack(bytes32 payment) private pure returns (address recipient, uint256 amount) {
        recipient = address(bytes20(payment));
        amount = uint96(uint256(payment));
    }
}
